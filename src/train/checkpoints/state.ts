import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ioError, RankDistillmError } from '../../errors.js';
import { fingerprintFile, TextsFingerprint, type Facts } from '../../io/fingerprint.js';
import { isPlainName } from '../../io/plain-name.js';
import { JsonReader, readJsonObject } from '../../models/json-file.js';
import type { StoppingState } from '../early-stopping.js';
import type { CheckpointState } from './keeper.js';

/** The last phase completed before a checkpoint was saved; a resumed run repeats the phases after it. */
export type TrainingPhase = 'step' | 'validation' | 'epoch';

/** State of a run, as JSON. With parameters and moments it lets a resumed run continue bit for bit. */
export interface TrainingState {
  /** Optimizer steps so far. */
  step: number;
  /** 0-based. */
  epoch: number;
  /** Batches of this epoch so far. */
  batch: number;
  /** Batches of all epochs so far. */
  totalBatches: number;
  phase: TrainingPhase;
  /** Training time so far. */
  seconds: number;
  skippedSteps: number;
  /** Newest finite values by name. */
  metrics: Record<string, number>;
  keepers: CheckpointState[];
  stoppers: StoppingState[];
  /** Identifies the run, to check a resume. */
  run: RunIdentity;
}

export interface RunIdentity {
  seed: number;
  /** Determines how batches are split, and so the order of floating-point sums. */
  tokenBudget: number;
  /** Values that must be equal after a resume. */
  fixed: Facts;
  /** Values that may change at a resume, such as the learning rate. */
  free: Facts;
}

const count = z.int().min(0);
const name = z.string().refine(isPlainName, 'expected the name of a folder, without its path');
const place = z.union([name, z.strictObject({ folder: z.string().min(1), name })]);

const watched = z.strictObject({ monitor: z.string().nullable(), mode: z.enum(['min', 'max']) }).optional();

const keeper = z.strictObject({
  folder: z.string().min(1),
  watched,
  kept: z.array(
    z.strictObject({ name, folder: z.string().min(1).optional(), step: count, score: z.number().nullable() }),
  ),
  last: place.nullable(),
  interrupted: place.nullable(),
  obsolete: z.array(place),
  savedStep: count,
  deferred: z.boolean(),
  validated: z.boolean(),
  named: z.strictObject({ name, times: count }).nullable(),
});

const stopper = z.strictObject({
  watched,
  best: z.number().nullable(),
  waited: count,
  validated: z.boolean(),
  reason: z.string().nullable(),
});

const facts = z.record(
  z.string(),
  z.strictObject({
    value: z.union([z.string(), z.number(), z.boolean(), z.null()]),
    shown: z.string().optional(),
    follows: z.string().optional(),
  }),
);

const run = z.strictObject({ seed: count, tokenBudget: count, fixed: facts, free: facts });

/** TrainingState in a checkpoint; unknown and missing keys are errors. */
const trainingStateSchema: z.ZodType<TrainingState> = z.strictObject({
  step: count,
  epoch: count,
  batch: count,
  totalBatches: count,
  phase: z.enum(['step', 'validation', 'epoch']),
  seconds: z.number().min(0),
  skippedSteps: count,
  metrics: z.record(z.string(), z.number()),
  keepers: z.array(keeper),
  stoppers: z.array(stopper),
  run,
});

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
  /** Checksums of the other files, by name; undefined: an older release saved the checkpoint. */
  files: Readonly<Record<string, string>> | undefined;
}

const files = z.record(name, z.string());
const KEYS = ['format', 'version', 'saved', 'files', 'state', 'checksum'];
/** The end of the file: the checksum of all before it. */
const CHECKSUM = /,\n {2}"checksum": "([^"\n]*)"\n\}\n$/;

function checksumOf(text: string): string {
  const texts = new TextsFingerprint();
  texts.add(text);
  return texts.digest();
}

/** Writes trainer_state.json into a checkpoint's folder, with checksums of the files there: the last one to write. */
export async function writeStateFile(folder: string, state: TrainingState): Promise<void> {
  const path = join(folder, STATE_FILE);
  const checksums: Record<string, string> = {};
  for (const file of (await readdir(folder)).sort()) checksums[file] = await fingerprintFile(join(folder, file));
  const content = { format: FORMAT, version: VERSION, saved: new Date().toISOString(), files: checksums, state };
  const text = JSON.stringify(content, null, 2).slice(0, -'\n}'.length);
  try {
    await writeFile(path, `${text},\n  "checksum": "${checksumOf(text)}"\n}\n`);
  } catch (error) {
    throw ioError('write', path, error);
  }
}

/**
 * Reads trainer_state.json; undefined when the folder has none. Whoever wrote it is not trusted: the content is checked
 * against a schema, and what it names are entries of the folder.
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
  const state = checked(file, 'state', trainingStateSchema);
  const unknown = Object.keys(object).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw damaged(`${path}: ${unknown}: is no key of this file`);
  // older releases wrote neither
  if (!file.has('files') && !file.has('checksum')) return { saved, state, files: undefined };
  const checksums = checked(file, 'files', files);
  const text = await readFile(path, 'utf8').catch((error: unknown) => Promise.reject(ioError('read', path, error)));
  const end = CHECKSUM.exec(text);
  if (end?.[1] !== checksumOf(text.slice(0, end?.index))) throw damaged(`${path}: ${NOT_AS_SAVED}`);
  return { saved, state, files: checksums };
}

const NOT_AS_SAVED = 'was changed since it was saved: its checksum is another one';

/** Compares the files of a checkpoint with their checksums. @throws RankDistillmError `bad_input` that names the file */
export async function checkFiles(folder: string, { files: checksums = {} }: StateFile): Promise<void> {
  for (const [file, checksum] of Object.entries(checksums)) {
    const path = join(folder, file);
    if ((await fingerprintFile(path)) !== checksum) throw damaged(`${path}: ${NOT_AS_SAVED}`);
  }
}

function checked<T>(file: JsonReader, key: string, schema: z.ZodType<T>): T {
  const result = schema.safeParse(file.raw(key));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw damaged(`${file.path}: ${[key, ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'is invalid'}`);
}

function damaged(message: string): RankDistillmError {
  return new RankDistillmError('bad_input', message, {
    hint: 'The file was changed or is damaged: resume from another checkpoint; ckpt_path: last takes the newest whole one.',
  });
}
