import { dirname, resolve } from 'node:path';
import type { NamedTensor } from '../../binding.js';
import type { BatchLimit } from '../config/schema/batch-limit.js';
import { spanSeconds } from '../config/time-span.js';
import { RankDistillmError } from '../errors.js';
import { differences, fingerprintFact, TextsFingerprint, type Fact, type Facts } from '../io/fingerprint.js';
import type { TrainingDataset } from '../data/training-dataset.js';
import type { Checkpoint } from '../models/checkpoint.js';
import { fingerprintModel } from '../models/fingerprint.js';
import { findLastCheckpoint } from '../train/checkpoints/find.js';
import type { LrSchedule } from '../train/lr-schedules.js';
import { plainLimit, type TrainingPlan } from '../train/train-limits.js';
import {
  checkSameModel as checkSameArchitecture,
  readTrainerCheckpoint,
} from '../train/checkpoints/trainer-checkpoint.js';
import type { Trainer } from '../train/trainer.js';
import { checkFiles, readStateFile, type RunIdentity, type TrainingState } from '../train/checkpoints/state.js';
import type { FitSettings } from './fit-options.js';

export interface Resume {
  folder: string;
  model: Checkpoint;
  state: TrainingState;
  moments: NamedTensor[];
  /** Time of the save, in milliseconds since 1970. */
  saved: number;
}

/** `ckptPath` and where `last` looks for checkpoints. */
interface ResumeOptions {
  /** A folder, or `last`. */
  ckptPath: string;
  rootDir: string;
  folders: readonly string[];
  /** The trained label of a classification model with several labels. */
  label: number | string | undefined;
  onWarning: (message: string) => void;
}

/**
 * Opens the checkpoint to continue from.
 *
 * @returns undefined for `last` where there is no checkpoint: like Lightning, the run then starts from its beginning, so
 * that one command both starts a run and continues it
 */
export async function openResume(options: ResumeOptions): Promise<Resume | undefined> {
  const { ckptPath, rootDir, folders, label, onWarning } = options;
  const isLast = ckptPath === 'last';
  const folder = isLast ? await findLastCheckpoint(rootDir, folders, onWarning) : ckptPath;
  if (folder === undefined) {
    onWarning(`ckpt_path last: there is no checkpoint below ${resolve(rootDir)}: the run starts from its beginning`);
    return undefined;
  }
  try {
    const { model, state, moments, saved } = await readTrainerCheckpoint(folder, label, isLast);
    return { folder: resolve(folder), model, state, moments, saved };
  } catch (error) {
    throw (await damage(folder, options)) ?? error;
  }
}

/** The error for a checkpoint whose files are not as they were saved, with another one to take. */
async function damage(folder: string, { rootDir, folders }: ResumeOptions): Promise<RankDistillmError | undefined> {
  try {
    const file = await readStateFile(folder);
    if (file) await checkFiles(folder, file);
    return undefined;
  } catch (error) {
    if (!(error instanceof RankDistillmError) || error.code !== 'bad_input') return undefined;
    const other = await findLastCheckpoint(rootDir, [...folders, dirname(folder)]).catch(() => undefined);
    const hint =
      other === undefined
        ? 'No whole checkpoint was found: omit ckpt_path to start a new run.'
        : `Resume from ${other}, the newest whole one; ckpt_path: last takes it by itself.`;
    return new RankDistillmError(error.code, error.message, { hint, cause: error });
  }
}

/** Where a resumed run's loop continues. */
export interface Continuation {
  /** The checkpoint's state, counted in batches of this run. */
  state: TrainingState;
  /** Samples of the next batch that were trained on before. */
  skip: number;
}

const RANKS = 'the number of ranks';
const BATCH_SIZE = 'the batch size';

/**
 * With another number of ranks, and so batches of another size, the run continues behind the same samples.
 *
 * @param now of this run: samples of an epoch, samples of a batch on all ranks, number of ranks
 */
export function continuationOf(
  { state, folder }: Resume,
  { samples, batchSize, ranks }: { samples: number; batchSize: number; ranks: number },
  onWarning: (message: string) => void,
): Continuation {
  const { fixed, free } = state.run;
  const before = Number(fixed[BATCH_SIZE]?.value);
  const ranksBefore = Number(free[RANKS]?.value ?? 1);
  const sameOfRank = before / ranksBefore === batchSize / ranks;
  if (before === batchSize || !sameOfRank) return { state, skip: 0 };
  const done = Math.min(samples, state.batch * before);
  const isWhole = done === samples;
  onWarning(
    `${folder}: was saved by ${ranksBefore} ranks with batches of ${before} samples in all; it continues with ${batchSize}`,
  );
  const continued = {
    ...state,
    batch: isWhole ? Math.ceil(samples / batchSize) : Math.floor(done / batchSize),
    totalBatches: Math.round((state.totalBatches * before) / batchSize),
    run: { ...state.run, fixed: { ...fixed, [BATCH_SIZE]: { value: batchSize } } },
  };
  return { state: continued, skip: isWhole ? 0 : done % batchSize };
}

/** The parts of a run that identify it. */
interface RunParts {
  options: FitSettings;
  plan: TrainingPlan;
  dataset: TrainingDataset;
  seed: number;
  schedule: LrSchedule | undefined;
  trainer: Trainer;
  /** `modelFacts` of the model that `options` name; on a resume, the checkpoint is loaded instead. */
  model: Facts;
}

/** Facts of the model that a run begins from, and its seed: known before the data are opened. */
export async function modelFacts(source: Checkpoint, seed: number): Promise<Facts> {
  const { weights, files } = await fingerprintModel(source);
  return {
    seed: { value: seed },
    'the model': fingerprintFact(weights, source.name),
    "the model's config.json or tokenizer": { ...fingerprintFact(files), follows: 'the model' },
    // only a classification model has a choice
    label: { value: source.mono === undefined ? source.head.label : null, follows: 'the model' },
  };
}

export async function identityOf(parts: RunParts): Promise<RunIdentity> {
  const { options, plan, dataset, seed, schedule, trainer, model } = parts;
  const { batchSize, shuffle } = plan;
  return {
    seed,
    tokenBudget: trainer.tokenBudget,
    fixed: {
      ...model,
      precision: { value: trainer.model.native.precision },
      ...((await dataset.identify?.()) ?? namedFacts(dataset)),
      'the number of samples': { value: dataset.countSamples() },
      [BATCH_SIZE]: { value: batchSize },
      accumulate_grad_batches: { value: plan.accumulate },
      shuffling: { value: shuffle },
    },
    free: freeFacts(options, schedule, trainer),
  };
}

/** Identity of a dataset without `identify`. */
function namedFacts({ name, sampleSize }: TrainingDataset): Facts {
  return { dataset: { value: name }, 'the number of documents of a sample': { value: sampleSize } };
}

function freeFacts(
  { losses, optimizer, trainer: settings, group }: FitSettings,
  schedule: LrSchedule | undefined,
  trainer: Trainer,
): Facts {
  const { lr, betas, eps, weightDecay } = optimizer;
  return {
    lr: plain(lr),
    betas: plain(betas.join(', ')),
    eps: plain(eps),
    weight_decay: plain(weightDecay),
    'the schedule': scheduleFact(schedule),
    'the loss': lossFact(losses),
    gradient_clip_val: plain(settings.gradientClipVal),
    gradient_clip_algorithm: plain(settings.gradientClipAlgorithm ?? 'norm'),
    max_steps: plain(settings.maxSteps),
    max_epochs: plain(settings.maxEpochs),
    max_time: plain(settings.maxTime === null ? null : spanSeconds(settings.maxTime)),
    limit_train_batches: limitFact(settings.limitTrainBatches),
    limit_val_batches: limitFact(settings.limitValBatches),
    val_check_interval: limitFact(settings.valCheckInterval),
    check_val_every_n_epoch: plain(settings.checkValEveryNEpoch),
    non_finite: plain(settings.nonFinite),
    device: { value: trainer.model.device.split(':')[0]! },
    tf32: plain(settings.tf32),
    // left out for one rank, as older releases do
    ...(group && { [RANKS]: { value: group.ranks } }),
  };
}

function plain(value: Fact['value'] | undefined): Fact {
  return { value: value ?? null };
}

function limitFact(written: BatchLimit | null): Fact {
  if (written === null) return { value: null };
  const limit = plainLimit(written);
  return { value: 'batches' in limit ? `${limit.batches} batches` : `a share of ${limit.share}` };
}

/** Steps at which schedules are compared. */
const STEPS = Array.from({ length: 25 }, (_, power) => 2 ** power).flatMap((step) => [step, Math.floor(step * 1.5)]);

function scheduleFact(schedule: LrSchedule | undefined): Fact {
  if (schedule === undefined) return { value: 'constant' };
  const factors = [0, ...STEPS].map((step) => schedule.factor(step));
  const texts = new TextsFingerprint();
  for (const factor of factors) texts.add(String(factor));
  const examples = [10, 1000, 100_000].map((step) => Number(schedule.factor(step).toPrecision(4)));
  const shown = `${schedule.name} (factors ${examples.join(', ')} after 10, 1000, 100000 steps)`;
  return { value: `${schedule.name} ${texts.digest()}`, shown };
}

function lossFact(losses: FitSettings['losses']): Fact {
  const terms = losses.map((entry) => {
    const [{ name, initArgs = {}, source }, weight] = 'compute' in entry ? ([entry, 1] as const) : entry;
    const args = Object.entries(initArgs).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
    if (source !== undefined) args.push(`source: ${fingerprintFact(source).shown}`);
    return `${weight === 1 ? '' : `${weight} `}${name}${args.length === 0 ? '' : ` (${args.join(', ')})`}`;
  });
  return { value: terms.join(' + ') };
}

/** Throws if the model of the resumed run is not the one that it began from. */
export function checkSameModel({ folder, model, state }: Resume, source: Checkpoint, facts: Facts): void {
  const { fixed } = state.run;
  // older releases did not record all of them
  refuseOther(folder, pick(fixed, Object.keys(facts)), pick(facts, Object.keys(fixed)));
  checkSameArchitecture(model, source);
}

function pick(facts: Facts, names: readonly string[]): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([name]) => names.includes(name)));
}

function refuseOther(folder: string, before: Facts, now: Facts): void {
  const changed = differences(before, now);
  if (changed.length === 0) return;
  throw new RankDistillmError('bad_input', `${folder}: was saved by another run: ${changed.join('; ')}`, {
    hint: 'Resume with the configuration and the data of that run, or set model_name_or_path to the folder to start a new run.',
  });
}

/** Throws if a fixed value of the resumed run differs; warns about each other difference. */
export function checkSameRun(
  folder: string,
  before: RunIdentity,
  now: RunIdentity,
  onWarning: (message: string) => void,
): void {
  const { label, ...others } = now.fixed;
  // releases before 0.4 did not record the label
  refuseOther(folder, before.fixed, 'label' in before.fixed && label ? now.fixed : others);
  for (const difference of differences(before.free, now.free)) onWarning(`${folder}: ${difference}`);
  if (before.tokenBudget !== now.tokenBudget) {
    onWarning(`${folder}: the token budget was ${before.tokenBudget}: results may differ in their last bits`);
  }
}
