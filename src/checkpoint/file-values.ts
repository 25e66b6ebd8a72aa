import { open } from 'node:fs/promises';
import { ioError } from '../errors.js';
import { readRegion } from '../io/read-region.js';
import type { RawTensor } from './raw-tensor.js';
import type { TensorValues } from './tensor-values.js';

/** 16 MiB: large enough that the disk and not the calls take the time. */
const PART_VALUES = 4 * 1024 * 1024;

/** A float32 tensor of a file under another name; its values are read part by part. */
export function fileValues(name: string, { shape, data }: RawTensor): TensorValues {
  return {
    name,
    shape,
    async *parts() {
      const handle = await open(data.file).catch((error: unknown) => Promise.reject(ioError('read', data.file, error)));
      try {
        const size = data.bytes / 4;
        for (let done = 0; done < size; done += PART_VALUES) {
          const count = Math.min(PART_VALUES, size - done);
          const bytes = await readRegion(handle, data.offset + 4 * done, 4 * count, data.file);
          yield new Float32Array(bytes.buffer, bytes.byteOffset, count);
        }
      } finally {
        await handle.close();
      }
    },
  };
}
