export { MOMENTS_FILE, STATE_FILE } from './state.js';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { NamedTensor } from '../../../binding.js';
import { RankDistillmError } from '../../errors.js';
import { healFolder, replaceFolder } from '../../io/replace-folder.js';
import type { Checkpoint } from '../../models/checkpoint.js';
import { modelSettings } from '../../models/fingerprint.js';
import { loadCheckpoint } from '../../models/load-checkpoint.js';
import { formatShape, type RawTensors, type TensorValues } from '../../models/raw-tensor.js';
import { readSafetensors, writeSafetensors } from '../../models/safetensors.js';
import { type ModelFiles, saveModel } from '../../models/save-model.js';
import { weightFileError } from '../../models/weight-file.js';
import { checkFiles, MOMENTS_FILE, readStateFile, STATE_FILE, type TrainingState, writeStateFile } from './state.js';

/** Prefixes of parameter names, as in torch.optim.AdamW's state: means of the gradients and of their squares. */
const MOMENTS = ['exp_avg.', 'exp_avg_sq.'] as const;

export interface TrainerCheckpointContent {
  /** The model that was loaded when training began. */
  source: Checkpoint;
  /** The source's small files, read when training began. */
  files: ModelFiles;
  /** Every tensor of the model, by canonical name. */
  parameters: readonly TensorValues[];
  /** Both moments of each parameter: `exp_avg.<name>`, `exp_avg_sq.<name>`. */
  moments: readonly TensorValues[];
  state: TrainingState;
}

/** A checked checkpoint; tensors are still in its files. */
export interface TrainerCheckpoint {
  folder: string;
  model: Checkpoint;
  /** Both moments of each parameter: regions of a file (float32). */
  moments: NamedTensor[];
  state: TrainingState;
  /** Time of the save, in milliseconds since 1970. */
  saved: number;
}

/**
 * Saves a checkpoint atomically (see `replaceFolder`): the model folder of `saveModel`, plus moments and state.
 *
 * @throws RankDistillmError `io`; `bad_input` when the tensors do not belong to the model
 */
export async function saveTrainerCheckpoint(target: string, content: TrainerCheckpointContent): Promise<void> {
  const { source, files, parameters, moments, state } = content;
  await replaceFolder(target, async (folder) => {
    await saveModel(folder, { source, files, tensors: parameters, step: state.step });
    await writeSafetensors(join(folder, MOMENTS_FILE), moments);
    momentsOf(source, await readSafetensors(join(folder, MOMENTS_FILE)), join(target, MOMENTS_FILE));
    await writeStateFile(folder, state);
  });
}

/**
 * Reads a checkpoint that `saveTrainerCheckpoint` wrote.
 *
 * @param label the trained label of a classification model with several labels
 * @param isChecked the checksums of its files were compared
 * @throws RankDistillmError `not_found`, `bad_input`, `unsupported` for a newer format, `io`
 */
export async function readTrainerCheckpoint(
  folder: string,
  label?: number | string,
  isChecked = false,
): Promise<TrainerCheckpoint> {
  await healFolder(folder);
  await refuseOthers(folder);
  const file = await readStateFile(folder);
  if (!file) {
    throw new RankDistillmError('bad_input', `${folder}: is not a checkpoint to resume from: it has no ${STATE_FILE}`, {
      hint: 'To start a new run from a model, set model_name_or_path instead of ckpt_path.',
    });
  }
  const model = await loadCheckpoint(folder, { label });
  const path = join(folder, MOMENTS_FILE);
  const moments = momentsOf(model, await readSafetensors(path), path);
  if (!isChecked) await checkFiles(folder, file);
  return { folder, model, moments, state: file.state, saved: file.saved };
}

/** Checks that a file holds both moments of each tensor of the model, and no others. */
function momentsOf(model: Checkpoint, raw: RawTensors, path: string): NamedTensor[] {
  const left = new Map(raw);
  const moments = MOMENTS.flatMap((prefix) =>
    model.tensors.map(({ name, shape }): NamedTensor => {
      const tensor = left.get(prefix + name);
      if (!tensor) throw weightFileError(path, `tensor ${prefix}${name} is missing`);
      if (tensor.dtype !== 'float32' || formatShape(tensor.shape) !== formatShape(shape)) {
        const found = `${tensor.dtype} ${formatShape(tensor.shape)}`;
        throw weightFileError(path, `tensor ${prefix}${name}: expected float32 ${formatShape(shape)}, found ${found}`);
      }
      left.delete(prefix + name);
      return { name: prefix + name, dtype: 'float32', shape, data: tensor.data };
    }),
  );
  const [unused] = left.keys();
  if (unused !== undefined)
    throw weightFileError(path, `holds ${unused}, which is not a moment of one of the model's tensors`);
  return moments;
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

/**
 * Checks that a checkpoint has the model that the run trains: the same encoder, head and lengths.
 *
 * @throws RankDistillmError `bad_input` that names the first difference
 */
export function checkSameModel(saved: Checkpoint, wanted: Checkpoint): void {
  const there = settingsOf(saved);
  for (const [key, value] of Object.entries(settingsOf(wanted))) {
    if (there[key] === value) continue;
    throw new RankDistillmError(
      'bad_input',
      `${saved.folder}: is a checkpoint of another model: ${key} is ${there[key]} in it and ${value} in ${wanted.name}`,
      {
        hint: 'Resume with the model and the settings of the original run, or start a new run with the checkpoint as its model.',
      },
    );
  }
}

function settingsOf(checkpoint: Checkpoint): Record<string, unknown> {
  return { class: checkpoint.modelClass, ...checkpoint.encoder, ...modelSettings(checkpoint) };
}
