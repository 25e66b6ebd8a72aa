import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ioError, RankDistillmError } from '../../errors.js';
import type { Facts } from '../../io/fingerprint.js';
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
const name = z.string().min(1);

const keeper = z.strictObject({
  folder: name,
  kept: z.array(z.strictObject({ name, step: count, score: z.number().nullable() })),
  last: name.nullable(),
  interrupted: name.nullable(),
  obsolete: z.array(name),
  savedStep: count,
  deferred: z.boolean(),
  validated: z.boolean(),
  named: z.strictObject({ name, times: count }).nullable(),
});

const stopper = z.strictObject({
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
