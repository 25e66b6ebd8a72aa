import { copyFile, cp, link, mkdir, mkdtemp, open, readdir, readlink, rename, rm } from 'node:fs/promises';
import { rmdir, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { FlatArray, NamedTensor } from '../../binding.js';
import type { SettingsOf } from '../config/read-settings.js';
import type { modelCheckpointOptions } from '../config/schema/callbacks.js';
import type { TrainableModel } from '../engine/trainable-model.js';
import { ioError, RankDistillmError } from '../errors.js';
import { hasInput } from '../io/inputs.js';
import { pathBeside } from '../io/leftovers.js';
import { cacheFolder, makeFolder } from '../io/make-folder.js';
import { removeFolder, removeLeftovers, replaceFolder } from '../io/replace-folder.js';
import type { Checkpoint } from '../models/checkpoint.js';
import type { TensorValues } from '../models/raw-tensor.js';
import { MODEL_FILES, readModelFiles, saveModel } from '../models/save-model.js';
import { RUNS } from '../rerank/run-path.js';
import { type CheckpointCallbacks, LAST } from '../train/checkpoints/keeper.js';
import { readStateFile, type TrainingState } from '../train/checkpoints/state.js';
import { MOMENTS_FILE, saveTrainerCheckpoint, STATE_FILE } from '../train/checkpoints/trainer-checkpoint.js';
import { checkRoom } from './checkpoint-room.js';
import type { Resume } from './resume.js';

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
  const small = [...files.carried.values()].reduce((sum, { length }) => sum + length, 0);
  await checkRoom(folder, options.options, model.parameterCount, small, onWarning);
  let newest: string | undefined;

  const write = async (target: string): Promise<void> => {
    const parameters = model.tensors('values');
    if (saveWeightsOnly) {
      const { step } = state();
      await replaceFolder(target, (folder) => saveModel(folder, { source, files, tensors: parameters, step }));
    } else {
      await saveTrainerCheckpoint(target, { source, files, parameters, moments: momentsOf(model), state: state() });
    }
  };
  const publish = async (target: string): Promise<void> => {
    newest = target;
    if (logFolder === undefined) return;
    const modelFolder = join(logFolder, MODEL_FOLDER);
    await replaceFolder(modelFolder, async (temporary) => {
      await linkModel(target, temporary);
      await keepRuns(modelFolder, temporary);
    }).catch((error: unknown) => {
      throw isOfDisk(error) ? keptError(error, resolve(target)) : error;
    });
    newest = modelFolder;
  };
  const callbacks: CheckpointCallbacks = {
    async save(target) {
      await write(target).catch(async (error: unknown) => {
        if (!isOfDisk(error)) throw error;
        const place = await writeElsewhere(write, `step=${state().step}`);
        throw place === undefined ? error : keptError(error, place);
      });
      await publish(target);
    },
    async remove(path) {
      if (hasInput(path)) return onWarning(`${path}: is kept: it holds the model that is trained`);
      await removeFolder(path);
      if (resolve(dirname(path)) !== resolve(folder)) await tidyFolder(dirname(path));
    },
    exists,
    link: leadTo,
    warn: onWarning,
  };
  return {
    callbacks,
    /** Makes a checkpoint the model of the log folder. */
    publish,
    /** The newest model folder. */
    newestModel: (): string | undefined => newest,
  };
}

/** Errors that another folder may not have. */
function isOfDisk(error: unknown): error is RankDistillmError {
  return error instanceof RankDistillmError && error.code === 'io';
}

/** The same error, with the place of the checkpoint that it would have cost. */
function keptError(error: RankDistillmError, place: string): RankDistillmError {
  return new RankDistillmError('io', error.message, {
    hint: `The checkpoint is kept in ${place}: make room or choose another folder, then continue with ckpt_path: ${place}`,
    cause: error,
  });
}

/**
 * Keeps a checkpoint whose folder is full, gone or read-only: below the cache folder, else in the temporary one.
 *
 * @returns where it is; undefined: it could be written nowhere
 */
async function writeElsewhere(write: (target: string) => Promise<void>, name: string): Promise<string | undefined> {
  for (const parent of [join(cacheFolder(), 'kept-checkpoints'), tmpdir()]) {
    let folder: string | undefined;
    try {
      await mkdir(parent, { recursive: true });
      folder = await mkdtemp(join(parent, 'rank-distillm-'));
      await write(join(folder, name));
      return join(folder, name);
    } catch {
      if (folder !== undefined) await rm(folder, { recursive: true, force: true }).catch(() => undefined);
    }
  }
  return undefined;
}

/**
 * Whether a folder is not one of the resumed run's checkpoints: missing, saved later (a later run may have reused the
 * name), by a run on other data or model, or something else altogether.
 */
export async function isOther(folder: string, { saved, state }: Resume): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) return true;
  if (!(await exists(join(folder, STATE_FILE)))) return !(await isSavedModel(folder, saved));
  const file = await readStateFile(folder).catch(() => undefined);
  return file === undefined || file.saved > saved || !isDeepStrictEqual(file.state.run.fixed, state.run.fixed);
}

/** Whether a folder is a model that was saved without the optimizer (save_weights_only) before a time. */
async function isSavedModel(folder: string, time: number): Promise<boolean> {
  const ours = [...MODEL_FILES, 'model.safetensors', RUNS];
  const names = await readdir(folder);
  const { mtimeMs } = await stat(join(folder, 'config.json')).catch(() => ({ mtimeMs: Infinity }));
  return mtimeMs <= time && names.every((name) => ours.includes(name)) && names.includes('model.safetensors');
}

/** Removes what killed runs left in folders of checkpoints and beside them. */
export async function removeStrays(folders: readonly string[]): Promise<void> {
  for (const folder of new Set(folders.flatMap((each) => [each, dirname(each)]))) {
    await removeLeftovers(resolve(folder)).catch(() => undefined); // another user's, for example
  }
}

/** Removes an earlier version's folder of checkpoints that is empty, but for a link that leads nowhere. */
async function tidyFolder(folder: string): Promise<void> {
  const last = join(folder, LAST);
  const link = await readlink(last).catch(() => undefined);
  if (link !== undefined && !(await exists(last))) await rm(last, { force: true }).catch(() => undefined);
  await rmdir(folder).catch(() => undefined); // not empty
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Hard-links a checkpoint's model files into another folder; copies them if the file system has no hard links. */
async function linkModel(checkpoint: string, folder: string): Promise<void> {
  for (const entry of await readdir(checkpoint, { withFileTypes: true })) {
    const { name } = entry;
    if (name === MOMENTS_FILE || name === STATE_FILE || !entry.isFile()) continue;
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
  const temporary = pathBeside(resolve(path), 'new');
  try {
    await symlink(name, temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
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
