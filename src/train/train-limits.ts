import { checkOptions, type OptionsOf, type SettingsOf } from '../config/read-settings.js';
import type { BatchLimit } from '../config/schema/batch-limit.js';
import { trainerOptions } from '../config/schema/trainer.js';
import { SettingError, type SettingPath } from '../config/setting-error.js';
import { Share } from '../config/share.js';
import { spanSeconds } from '../config/time-span.js';

/** `trainer` of `fit`: Lightning's Trainer arguments under the same names, and settings of the engine. */
export type TrainerSettings = OptionsOf<typeof trainerOptions>;

/** Sizes of the data. */
export interface LimitData {
  /** Samples of an epoch. */
  samples: number;
  batchSize: number;
  shuffle: boolean;
  /** Batches of each validation dataset; empty: no validation. */
  validationBatches: readonly number[];
  /** Where a resumed run continues; its epochs may have had another number of batches. */
  done?: DoneSteps | undefined;
}

interface DoneSteps {
  /** Optimizer steps so far, with skipped ones. */
  steps: number;
  /** 0-based. */
  epoch: number;
  /** Batches of this epoch so far. */
  batch: number;
}

/** Limits and intervals of a training loop. */
export interface TrainingPlan {
  batchSize: number;
  /** Whether each epoch has its own order of samples. */
  shuffle: boolean;
  /** 0: nothing to train. */
  batchesPerEpoch: number;
  accumulate: number;
  /** Optimizer steps of an epoch; the last batch always takes a step, even if its accumulation group is incomplete. */
  stepsPerEpoch: number;
  maxSteps: number | undefined;
  maxEpochs: number | undefined;
  maxSeconds: number | undefined;
  /** Optimizer steps of the whole run; undefined if only time limits it. */
  totalSteps: number | undefined;
  /** Batches of each validation dataset; undefined: no validation. */
  validationBatches: readonly number[] | undefined;
  /** The same for the validation before the first step; undefined: none. */
  sanityBatches: readonly number[] | undefined;
  /** Batches between validations. */
  validateEvery: number;
  /** Epochs between validations; null: `validateEvery` counts across epochs. */
  validateEpochs: number | null;
  /** Checkpoints and early stopping use the metrics at the end of each epoch (true) or of each validation (false). */
  validatesAtEpochEnd: boolean;
}

export interface TrainingPosition {
  /** 0-based. */
  epoch: number;
  /** Batches of this epoch so far. */
  batch: number;
  /** Batches of all epochs so far. */
  totalBatches: number;
}

/** A limit as a share, or undefined for a number of batches. */
function shareOf(limit: BatchLimit): number | undefined {
  if (limit instanceof Share) return limit.value;
  return typeof limit === 'object' && 'share' in limit ? limit.share : undefined;
}

function batchesOf(limit: BatchLimit): number {
  if (typeof limit === 'number') return limit;
  return 'batches' in limit ? limit.batches : 0;
}

/** A limit in the form of the API. */
export function plainLimit(limit: BatchLimit): { batches: number } | { share: number } {
  const share = shareOf(limit);
  return share === undefined ? { batches: batchesOf(limit) } : { share };
}

/** Whether a limit is 0. */
export function isNothing(limit: BatchLimit): boolean {
  return (shareOf(limit) ?? batchesOf(limit)) === 0;
}

/**
 * Applies a limit to `available` batches. A share is rounded down.
 * @param path of the limit
 * @throws SettingError when a share above 0 is less than one batch
 */
export function limitBatches(path: SettingPath, limit: BatchLimit | null, available: number): number {
  if (limit === null) return available;
  const share = shareOf(limit);
  if (share === undefined) return Math.min(available, batchesOf(limit));
  const left = Math.trunc(available * share);
  if (left === 0 && share > 0 && available > 0) {
    throw new SettingError(path, `${share} of ${available} batches is less than one batch`, {
      hint: `Use at least ${1 / available}, or a whole number of batches.`,
    });
  }
  return left;
}

type Trainer = SettingsOf<typeof trainerOptions>;
const PATH = ['trainer'];

function validateEvery(settings: Trainer, batchesPerEpoch: number, validates: boolean): number {
  const interval = settings.valCheckInterval;
  const acrossEpochs = settings.checkValEveryNEpoch === null;
  const share = interval === null ? 1 : shareOf(interval);
  if (share !== undefined) {
    // Lightning validates at the end of each epoch by default, and rejects a share when batches count across epochs
    if (acrossEpochs && interval !== null) {
      throw new SettingError(
        [...PATH, 'val_check_interval'],
        `a share of an epoch, ${share}, needs $check_val_every_n_epoch`,
        {
          hint: 'Set $val_check_interval to a number of batches, or $check_val_every_n_epoch to a number.',
        },
      );
    }
    return Math.max(1, Math.trunc(batchesPerEpoch * share));
  }
  const batches = batchesOf(interval!);
  if (validates && !acrossEpochs && batches > batchesPerEpoch && batchesPerEpoch > 0) {
    const what = `${batches} batches, but an epoch has ${batchesPerEpoch}: no validation would run`;
    throw new SettingError([...PATH, 'val_check_interval'], what, {
      hint: 'Set $check_val_every_n_epoch to null to count batches across epochs, or $limit_val_batches to 0 to skip validation.',
    });
  }
  return batches;
}

/** Lightning compares with 1.0, which also equals the integer 1. */
function isOnce(interval: BatchLimit | null): boolean {
  return interval === null || (shareOf(interval) ?? batchesOf(interval)) === 1;
}

/** -1 and null: no limit. */
function optionalLimit(value: number | null): number | undefined {
  return value === null || value === -1 ? undefined : value;
}

/**
 * Computes the plan of a training loop from settings and data sizes, by the rules of Lightning's Trainer (2.6).
 * @throws SettingError
 */
export function planTraining(
  given: TrainerSettings,
  { samples, batchSize, shuffle, done = { steps: 0, epoch: 0, batch: 0 }, ...data }: LimitData,
): TrainingPlan {
  const settings = checkOptions(trainerOptions, given, PATH);
  const batches = Math.ceil(samples / batchSize);
  const overfits = !isNothing(settings.overfitBatches);
  const trained = overfits ? settings.overfitBatches : settings.limitTrainBatches;
  const trainPath = [...PATH, overfits ? 'overfit_batches' : 'limit_train_batches'];
  const batchesPerEpoch = limitBatches(trainPath, trained, batches);
  const accumulate = settings.accumulateGradBatches;
  const stepsPerEpoch = Math.ceil(batchesPerEpoch / accumulate);

  const maxSteps = optionalLimit(settings.maxSteps);
  const maxSeconds = settings.maxTime === null ? undefined : spanSeconds(settings.maxTime);
  const unlimited = maxSteps === undefined && maxSeconds === undefined;
  const maxEpochs = optionalLimit(settings.maxEpochs ?? (unlimited ? 1000 : null));
  // the steps that remain of this epoch: a last, incomplete group of batches is a step, too
  const rest = Math.max(0, stepsPerEpoch - Math.floor(done.batch / accumulate)) * Number(done.batch < batchesPerEpoch);
  const stepsOf = (epochs: number): number =>
    done.epoch < epochs ? done.steps + rest + (epochs - done.epoch - 1) * stepsPerEpoch : done.steps;
  const ends = [maxSteps, maxEpochs === undefined ? undefined : stepsOf(maxEpochs)];
  const known = ends.filter((end) => end !== undefined);

  const validated = overfits ? settings.overfitBatches : settings.limitValBatches;
  const valPath = [...PATH, overfits ? 'overfit_batches' : 'limit_val_batches'];
  const limited = data.validationBatches.map((n) => limitBatches(valPath, validated, n));
  const validates = limited.some((n) => n > 0);
  const sanity = settings.numSanityValSteps ?? 2;
  const sanitySteps = sanity === -1 ? Number.POSITIVE_INFINITY : sanity;
  const validateEpochs = settings.checkValEveryNEpoch;
  return {
    batchSize,
    shuffle: shuffle && !overfits,
    batchesPerEpoch,
    accumulate,
    stepsPerEpoch,
    maxSteps,
    maxEpochs,
    maxSeconds,
    totalSteps: known.length > 0 ? Math.min(...known) : undefined,
    validationBatches: validates ? limited : undefined,
    sanityBatches: validates && sanitySteps > 0 ? limited.map((n) => Math.min(n, sanitySteps)) : undefined,
    validateEvery: validateEvery(settings, batchesPerEpoch, validates),
    validateEpochs,
    validatesAtEpochEnd: validateEpochs === 1 && (!validates || isOnce(settings.valCheckInterval)),
  };
}

/** True when an optimizer step follows this batch; otherwise its gradient accumulates. */
export function isStepDue(plan: TrainingPlan, batch: number): boolean {
  return batch % plan.accumulate === 0 || batch === plan.batchesPerEpoch;
}

/**
 * True when validation follows this batch.
 * @param stopping the run ends here by maxTime, and is validated once more
 */
export function isValidationDue(plan: TrainingPlan, position: TrainingPosition, stopping = false): boolean {
  const { validateEpochs, validateEvery: every } = plan;
  if (plan.validationBatches === undefined) return false;
  if (validateEpochs !== null && (position.epoch + 1) % validateEpochs !== 0) return false;
  return stopping || (validateEpochs === null ? position.totalBatches : position.batch) % every === 0;
}

/**
 * Why the run ends, or undefined when it continues. Called before the first batch and after each optimizer step.
 * @param done `epochs`: complete epochs; `seconds`: training time, including the time before a resume
 */
export function reachedLimit(
  plan: TrainingPlan,
  done: { steps: number; epochs: number; seconds: number },
): 'max_steps' | 'max_epochs' | 'max_time' | undefined {
  if (plan.maxSteps !== undefined && done.steps >= plan.maxSteps) return 'max_steps';
  if (plan.maxEpochs !== undefined && done.epochs >= plan.maxEpochs) return 'max_epochs';
  if (plan.maxSeconds !== undefined && done.seconds >= plan.maxSeconds) return 'max_time';
  return undefined;
}
