import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { JsonReader, readJsonObject } from '../models/json-file.js';
import { ioError, RankDistillmError } from '../errors.js';
import { trainingStateSchema } from './training-state-schema.js';
import type { TrainingState } from './training-state.js';

/** Files of a checkpoint, beside those of the model. */
export const STATE_FILE = 'trainer_state.json';
export const MOMENTS_FILE = 'optimizer.safetensors';

const FORMAT = 'rank-distillm trainer state';
/** Increased when older releases cannot resume from the file. 2: records the training data. */
const VERSION = 2;

export interface StateFile {
  /** Time of the save, in milliseconds since 1970. */
  saved: number;
  state: TrainingState;
}

/** Writes trainer_state.json into a checkpoint's folder. */
export async function writeStateFile(folder: string, state: TrainingState): Promise<void> {
  const path = join(folder, STATE_FILE);
  const content = { format: FORMAT, version: VERSION, saved: new Date().toISOString(), state };
  try {
    await writeFile(path, `${JSON.stringify(content, null, 2)}\n`);
  } catch (error) {
    throw ioError('write', path, error);
  }
}

/**
 * Reads trainer_state.json; undefined when the folder has none.
 *
 * @throws RankDistillmError `bad_input`, `unsupported` for another format, `io`
 */
export async function readStateFile(folder: string): Promise<StateFile | undefined> {
  const path = join(folder, STATE_FILE);
  const object = await readJsonObject(path);
  if (!object) return undefined;
  const file = new JsonReader(path, object);
  if (file.string('format') !== FORMAT) {
    throw file.error('format', `expected "${FORMAT}"`, 'Use a checkpoint that rank-distillm fit saved.');
  }
  const version = file.size('version') ?? 0;
  if (version > VERSION || version === 1) {
    const why = version === 1 ? ', which does not record the training data' : '';
    throw new RankDistillmError(
      'unsupported',
      `${path}: has format version ${version}${why}; this release reads ${VERSION}`,
      {
        hint:
          version === 1
            ? 'Resume with the release that saved the checkpoint, or set model_name_or_path to its folder to start a new run.'
            : 'Resume with the release that saved the checkpoint, or a newer one.',
      },
    );
  }
  if (version !== VERSION) throw file.error('version', `expected ${VERSION}`);
  const saved = Date.parse(file.string('saved') ?? '');
  if (Number.isNaN(saved)) throw file.error('saved', 'expected a time');
  const result = trainingStateSchema.safeParse(file.raw('state'));
  if (result.success) return { saved, state: result.data };
  const [issue] = result.error.issues;
  const place = ['state', ...(issue?.path ?? [])].join('.');
  throw file.error(
    place,
    issue?.message ?? 'is invalid',
    'The file was changed or is damaged: resume from another checkpoint.',
  );
}
