import { open } from 'node:fs/promises';
import type { FlatArray, NamedTensor } from '../../binding.js';
import type { TensorValues } from '../models/raw-tensor.js';
import type { TrainableModel } from '../engine/trainable-model.js';
import { ioError } from '../errors.js';

const ARRAYS = ['firstMoments', 'secondMoments'] as const satisfies FlatArray[];

/** torch's names of AdamW's moments, prefixes of parameter names in a checkpoint. */
const PREFIXES = { firstMoments: 'exp_avg.', secondMoments: 'exp_avg_sq.' } as const;

const PART_BYTES = 16 * 2 ** 20;

/** AdamW's moments of a model, under their names in a checkpoint. */
export function momentsOf(model: TrainableModel): TensorValues[] {
  return ARRAYS.flatMap((array) =>
    model.tensors(array).map((tensor) => ({ ...tensor, name: PREFIXES[array] + tensor.name })),
  );
}

/** Writes a checkpoint's moments into the model. */
export async function restoreMoments(model: TrainableModel, moments: readonly NamedTensor[]): Promise<void> {
  for (const array of ARRAYS) {
    const prefix = PREFIXES[array];
    const named = moments.filter(({ name }) => name.startsWith(prefix));
    await model.restore(
      array,
      named.map((tensor) => ({
        name: tensor.name.slice(prefix.length),
        shape: tensor.shape,
        parts: () => values(tensor),
      })),
    );
  }
}

async function* values({ data }: NamedTensor): AsyncGenerator<Float32Array> {
  if (data instanceof Uint8Array) {
    yield new Float32Array(data.slice().buffer);
    return;
  }
  const file = await open(data.file, 'r').catch((error: unknown) => Promise.reject(ioError('read', data.file, error)));
  try {
    for (let done = 0; done < data.bytes;) {
      const part = new Uint8Array(Math.min(PART_BYTES, data.bytes - done));
      const { bytesRead } = await file.read(part, 0, part.length, data.offset + done);
      if (bytesRead !== part.length) {
        throw ioError('read', data.file, new Error('the file is shorter than its header claims'));
      }
      yield new Float32Array(part.buffer);
      done += part.length;
    }
  } finally {
    await file.close();
  }
}
