import { copyFile, cp, link, open, readdir, rename, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { FlatArray, NamedTensor } from '../../binding.js';
import type { SettingsOf } from '../config/read-settings.js';
import type { modelCheckpointOptions } from '../config/schema/callbacks.js';
import type { TrainableModel } from '../engine/trainable-model.js';
import { ioError } from '../errors.js';
import { hasInput } from '../io/inputs.js';
import { pathBeside } from '../io/leftovers.js';
import { makeFolder } from '../io/make-folder.js';
import { removeFolder, replaceFolder } from '../io/replace-folder.js';
import type { Checkpoint } from '../models/checkpoint.js';
import type { TensorValues } from '../models/raw-tensor.js';
import { readModelFiles, saveModel } from '../models/save-model.js';
import { RUNS } from '../rerank/run-path.js';
import type { CheckpointCallbacks } from '../train/checkpoints/keeper.js';
import { readStateFile, type TrainingState } from '../train/checkpoints/state.js';
import { MOMENTS_FILE, saveTrainerCheckpoint, STATE_FILE } from '../train/checkpoints/trainer-checkpoint.js';

/** lightning-ir's name for the folder in the Hugging Face layout. */
export const MODEL_FOLDER = 'huggingface_checkpoint';

export interface CheckpointFilesOptions {
  options: SettingsOf<typeof modelCheckpointOptions>;
  model: TrainableModel;
  /** Folder of the checkpoints; created if missing. */
  folder: string;
  /** Receives lightning-ir's `huggingface_checkpoint`, always the newest model; undefined: it is not written. */
  logFolder: string | undefined;
  state: () => TrainingState;
  onWarning: (message: string) => void;
}

/** File operations of a CheckpointKeeper. */
export async function checkpointFiles(options: CheckpointFilesOptions) {
  const { model, folder, logFolder, state, onWarning } = options;
  const { saveWeightsOnly } = options.options;
  const source: Checkpoint = model.checkpoint;
  // read now: the source folder may be deleted before the last checkpoint
  const files = await readModelFiles(source.folder);
  await makeFolder(folder);
  let newest: string | undefined;

  const callbacks: CheckpointCallbacks = {
    async save(target) {
      const parameters = model.tensors('values');
      if (saveWeightsOnly) {
        const { step } = state();
        await replaceFolder(target, (folder) => saveModel(folder, { source, files, tensors: parameters, step }));
      } else {
        await saveTrainerCheckpoint(target, { source, files, parameters, moments: momentsOf(model), state: state() });
      }
      newest = target;
      if (logFolder !== undefined) {
        const folder = (newest = join(logFolder, MODEL_FOLDER));
        await replaceFolder(folder, async (temporary) => {
          await linkModel(target, temporary);
          await keepRuns(folder, temporary);
        });
      }
    },
    async remove(folder) {
      if (hasInput(folder)) onWarning(`${folder}: is kept: it holds the model that is trained`);
      else await removeFolder(folder);
    },
    exists,
    link: leadTo,
    warn: onWarning,
  };
  return {
    callbacks,
    /** The newest model folder. */
    newestModel: (): string | undefined => newest,
  };
}

/** Whether a folder exists that was saved after `time`: a later run may have reused the name. */
export async function isLater(folder: string, time: number): Promise<boolean> {
  if (!(await exists(folder))) return false;
  const file = await readStateFile(folder).catch(() => undefined);
  return file === undefined || file.saved > time;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Hard-links a checkpoint's model files into another folder; copies them if the file system has no hard links. */
async function linkModel(checkpoint: string, folder: string): Promise<void> {
  for (const name of await readdir(checkpoint)) {
    if (name === MOMENTS_FILE || name === STATE_FILE) continue;
    const from = join(checkpoint, name);
    const to = join(folder, name);
    await link(from, to).catch(() => copyFile(from, to));
  }
}

/** Keeps the runs that re_rank wrote below an older model: their records identify their model. */
async function keepRuns(older: string, folder: string): Promise<void> {
  const runs = join(older, RUNS);
  if (await exists(runs)) await cp(runs, join(folder, RUNS), { recursive: true, preserveTimestamps: true });
}

/** Creates or replaces a symbolic link atomically. */
async function leadTo(path: string, name: string): Promise<void> {
  const temporary = pathBeside(path, 'new');
  try {
    await symlink(name, temporary);
    await rename(temporary, path);
  } catch (error) {
    throw ioError('write', path, error);
  }
}

const ARRAYS = ['firstMoments', 'secondMoments'] as const satisfies FlatArray[];

/** torch's names of AdamW's moments, prefixes of parameter names in a checkpoint. */
const PREFIXES = { firstMoments: 'exp_avg.', secondMoments: 'exp_avg_sq.' } as const;

const PART_BYTES = 16 * 2 ** 20;

/** AdamW's moments of a model, under their names in a checkpoint. */
function momentsOf(model: TrainableModel): TensorValues[] {
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
