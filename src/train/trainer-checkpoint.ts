import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { fileValues } from '../checkpoint/file-values.js';
import { loadCheckpoint } from '../checkpoint/load-checkpoint.js';
import type { ModelFiles } from '../checkpoint/model-files.js';
import { formatShape, type RawTensors } from '../checkpoint/raw-tensor.js';
import { readSafetensors } from '../checkpoint/safetensors.js';
import { saveModel } from '../checkpoint/save-model.js';
import type { TensorValues } from '../checkpoint/tensor-values.js';
import { weightFileError } from '../checkpoint/weight-file.js';
import { writeSafetensors } from '../checkpoint/write-safetensors.js';
import { RankDistillmError } from '../errors.js';
import { healFolder, replaceFolder } from '../io/replace-folder.js';
import { readStateFile, STATE_FILE, writeStateFile } from './trainer-state-file.js';
import type { TrainingState } from './training-state.js';

export { STATE_FILE } from './trainer-state-file.js';

/** AdamW's moments, named as torch.optim.AdamW's state: `exp_avg.<parameter>` and `exp_avg_sq.<parameter>`. */
export const MOMENTS_FILE = 'optimizer.safetensors';

/** Means of the gradients and of their squares, by the parameters' canonical names. */
export interface Moments {
  first: readonly TensorValues[];
  second: readonly TensorValues[];
}

export interface TrainerCheckpointContent {
  /** The model as it was loaded when training began. */
  source: Checkpoint;
  /** The source's small files, read when training began. */
  files: ModelFiles;
  /** Every tensor of the model, by canonical name. */
  parameters: readonly TensorValues[];
  moments: Moments;
  state: TrainingState;
}

/** A checkpoint read and checked; all that is large is still in its files. */
export interface TrainerCheckpoint {
  folder: string;
  /** Loaded as any model folder is. */
  model: Checkpoint;
  moments: Moments;
  state: TrainingState;
}

const PREFIXES = { first: 'exp_avg.', second: 'exp_avg_sq.' } as const;

/**
 * Saves a checkpoint: a model folder as `saveModel` writes it, with moments and state beside the weights. It is whole or
 * not there, see `replaceFolder`.
 *
 * @throws RankDistillmError `io`; `bad_input` when the tensors are not those of the model
 */
export async function saveTrainerCheckpoint(target: string, content: TrainerCheckpointContent): Promise<void> {
  const { source, files, parameters, moments, state } = content;
  await replaceFolder(target, async (folder) => {
    await saveModel(folder, { source, files, tensors: parameters, step: state.step });
    const named = (['first', 'second'] as const).flatMap((which) =>
      moments[which].map((tensor) => renamed(tensor, PREFIXES[which] + tensor.name)),
    );
    await writeSafetensors(join(folder, MOMENTS_FILE), named);
    await writeStateFile(folder, state);
  });
}

/**
 * Reads a checkpoint that `saveTrainerCheckpoint` wrote.
 *
 * @param label the label that is trained, for a classification model of several
 * @throws RankDistillmError `not_found`, `bad_input`, `unsupported` for a newer format, `io`
 */
export async function readTrainerCheckpoint(folder: string, label?: number | string): Promise<TrainerCheckpoint> {
  await healFolder(folder);
  await refuseOthers(folder);
  const file = await readStateFile(folder);
  if (!file) {
    throw new RankDistillmError('bad_input', `${folder}: is no checkpoint to resume from: it has no ${STATE_FILE}`, {
      hint: 'A model alone can begin a new run: name it as model_name_or_path instead of ckpt_path.',
    });
  }
  const model = await loadCheckpoint(folder, { label });
  const raw = await readSafetensors(join(folder, MOMENTS_FILE));
  const moments = { first: momentsOf(model, raw, 'first'), second: momentsOf(model, raw, 'second') };
  const [unused] = raw.keys();
  if (unused !== undefined) {
    throw weightFileError(join(folder, MOMENTS_FILE), `holds ${unused}, which belongs to no tensor of the model`);
  }
  return { folder, model, moments, state: file.state };
}

/** Takes one of the two moments of each parameter out of `raw`. */
function momentsOf({ folder, tensors }: Checkpoint, raw: RawTensors, which: keyof Moments): TensorValues[] {
  const path = join(folder, MOMENTS_FILE);
  return tensors.map(({ name, shape }) => {
    const fileName = PREFIXES[which] + name;
    const tensor = raw.get(fileName);
    if (!tensor) throw weightFileError(path, `tensor ${fileName} is missing`);
    if (tensor.dtype !== 'float32' || formatShape(tensor.shape) !== formatShape(shape)) {
      const found = `${tensor.dtype} ${formatShape(tensor.shape)}`;
      throw weightFileError(path, `tensor ${fileName}: expected float32 ${formatShape(shape)}, found ${found}`);
    }
    raw.delete(fileName);
    return fileValues(name, tensor);
  });
}

async function refuseOthers(folder: string): Promise<void> {
  const stats = await stat(folder).catch(() => undefined);
  if (stats?.isDirectory()) return;
  if (!stats) {
    throw new RankDistillmError('not_found', `${folder}: no such checkpoint`, {
      hint: 'Name the folder of a checkpoint, or last for the newest one.',
    });
  }
  throw new RankDistillmError('unsupported', `${folder}: is a file; a checkpoint is a folder`, {
    hint: "Lightning's .ckpt files are not read: name the huggingface_checkpoint beside them as model_name_or_path.",
  });
}

function renamed(tensor: TensorValues, name: string): TensorValues {
  return { name, shape: tensor.shape, parts: () => tensor.parts() };
}
