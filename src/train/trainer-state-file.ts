import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { JsonReader, readJsonObject } from '../models/json-file.js';
import { ioError, RankDistillmError } from '../errors.js';
import { trainingStateSchema } from './training-state-schema.js';
import type { TrainingState } from './training-state.js';

/** Names in a checkpoint's folder, beside the model's files. */
export const STATE_FILE = 'trainer_state.json';
export const MOMENTS_FILE = 'optimizer.safetensors';

const FORMAT = 'rank-distillm trainer state';
/** Raised when another version of this package could not resume from the file. 2: the data are recorded. */
const VERSION = 2;

export interface StateFile {
  /** When it was written, in milliseconds since 1970. */
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
    throw file.error('format', `expected "${FORMAT}"`, 'Name a checkpoint that rank-distillm fit saved.');
  }
  const version = file.size('version') ?? 0;
  if (version > VERSION || version === 1) {
    const why = version === 1 ? ', which does not say what data the run was trained on' : '';
    throw new RankDistillmError(
      'unsupported',
      `${path}: has format version ${version}${why}; this release reads ${VERSION}`,
      {
        hint:
          version === 1
            ? 'Resume with the release that saved the checkpoint, or name its folder in model_name_or_path to begin a new run.'
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
  throw file.error(place, issue?.message ?? 'is wrong', 'The file was changed or is damaged: resume from another one.');
}
