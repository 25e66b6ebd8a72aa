import { RankDistillmError } from '../errors.js';
import { badArgument, numberWithin, wholeNumber } from './check-argument.js';

/** A number of batches, or a share of those there are. */
export type BatchLimit = { batches: number } | { share: number };

/** Arguments of Lightning's Trainer that say how long a run is and when it validates. */
export interface LimitSettings {
  /** -1 or undefined: no limit. */
  maxSteps?: number | undefined;
  /** -1: no limit. Default: 1000 when nothing else limits the run. */
  maxEpochs?: number | undefined;
  /** Seconds. */
  maxTime?: number | undefined;
  /** A number of batches, or a share of an epoch. Default: all. */
  limitTrainBatches?: BatchLimit | undefined;
  limitValBatches?: BatchLimit | undefined;
  /** Batches between validations, or a share of an epoch. Default: the epoch's end. */
  valCheckInterval?: BatchLimit | undefined;
  /** Default 1; null: valCheckInterval counts over epochs. */
  checkValEveryNEpoch?: number | null | undefined;
  /** Validation batches run before training. Default 2; -1: all; 0: none. */
  numSanityValSteps?: number | undefined;
  /** Batches of one optimizer step. Default 1. */
  accumulateGradBatches?: number | undefined;
}

/** How much there is to read. */
export interface LimitData {
  /** Samples of an epoch. */
  samples: number;
  batchSize: number;
  /** Batches of each validation dataset; empty: no validation. */
  validationBatches: readonly number[];
}

/** Numbers that a training loop needs. Batches and steps are counted from 1 where they are "so far". */
export interface TrainingPlan {
  /** 0: there is nothing to do. */
  batchesPerEpoch: number;
  accumulate: number;
  /** Optimizer steps of an epoch; the last batch steps too, even where its group is incomplete. */
  stepsPerEpoch: number;
  maxSteps: number | undefined;
  maxEpochs: number | undefined;
  maxSeconds: number | undefined;
  /** Optimizer steps of the whole run; undefined when only time ends it. */
  totalSteps: number | undefined;
  /** Batches of each validation dataset; undefined: no validation. */
  validationBatches: readonly number[] | undefined;
  /** The same for the validation before the first step; undefined: none. */
  sanityBatches: readonly number[] | undefined;
  /** Batches between validations. */
  validateEvery: number;
  /** Validates in every so many epochs; null: `validateEvery` counts over epochs. */
  validateEpochs: number | null;
  /** Metrics are judged (checkpoints, early stopping) at the epoch's end; otherwise after each validation. */
  judgesAtEpochEnd: boolean;
}

/** How far a run is. */
export interface TrainingPosition {
  /** 0-based. */
  epoch: number;
  /** Batches of this epoch so far. */
  batch: number;
  /** Batches of all epochs so far. */
  totalBatches: number;
}

/** -1 and undefined mean that there is no limit. */
function optionalLimit(name: string, value: number | undefined): number | undefined {
  return value === undefined || value === -1 ? undefined : wholeNumber(name, value, 0);
}

/**
 * Batches that are left of `available`. A share is rounded down.
 * @throws bad_input when a share above 0 leaves nothing, or is above 1
 */
export function limitBatches(name: string, limit: BatchLimit | undefined, available: number): number {
  if (limit === undefined) return available;
  if ('batches' in limit) return Math.min(available, wholeNumber(name, limit.batches, 0));
  const left = Math.trunc(available * numberWithin(name, limit.share, 0, 1));
  if (left === 0 && limit.share > 0 && available > 0) {
    throw new RankDistillmError('bad_input', `${name}: ${limit.share} of ${available} batches is less than one batch`, {
      hint: `Use at least ${1 / available}, or a whole number of batches.`,
    });
  }
  return left;
}

function validateEvery(settings: LimitSettings, batchesPerEpoch: number, validates: boolean): number {
  const interval = settings.valCheckInterval ?? { share: 1 };
  const acrossEpochs = settings.checkValEveryNEpoch === null;
  if ('share' in interval) {
    // without valCheckInterval, Lightning takes each epoch's end; a share of nothing in particular it refuses
    if (acrossEpochs && settings.valCheckInterval !== undefined) {
      throw badArgument('valCheckInterval', 'a number of batches beside checkValEveryNEpoch null', interval);
    }
    return Math.max(1, Math.trunc(batchesPerEpoch * numberWithin('valCheckInterval', interval.share, 0, 1)));
  }
  const batches = wholeNumber('valCheckInterval', interval.batches, 1);
  if (validates && !acrossEpochs && batches > batchesPerEpoch && batchesPerEpoch > 0) {
    const message = `valCheckInterval: ${batches} batches, but an epoch has ${batchesPerEpoch}: no validation would run`;
    throw new RankDistillmError('bad_input', message, {
      hint: 'Set checkValEveryNEpoch to null to count batches over epochs, or limitValBatches to 0 to do without.',
    });
  }
  return batches;
}

/** Lightning compares with 1.0, which is also true of the whole number 1. */
function isOnce(interval: BatchLimit | undefined): boolean {
  return interval === undefined || ('share' in interval ? interval.share === 1 : interval.batches === 1);
}

/**
 * Settings and sizes as the numbers of a loop, by the rules of Lightning's Trainer (2.6).
 * @throws bad_input for an argument out of its range, by its name
 */
export function planTraining(settings: LimitSettings, data: LimitData): TrainingPlan {
  const { samples, batchSize } = data;
  const batches = Math.ceil(samples / wholeNumber('batchSize', batchSize, 1));
  const batchesPerEpoch = limitBatches('limitTrainBatches', settings.limitTrainBatches, batches);
  const accumulate = wholeNumber('accumulateGradBatches', settings.accumulateGradBatches ?? 1, 1);
  const stepsPerEpoch = Math.ceil(batchesPerEpoch / accumulate);

  const maxSteps = optionalLimit('maxSteps', settings.maxSteps);
  const maxSeconds = settings.maxTime === undefined ? undefined : numberWithin('maxTime', settings.maxTime, 0);
  const unlimited = maxSteps === undefined && maxSeconds === undefined;
  const maxEpochs = optionalLimit('maxEpochs', settings.maxEpochs ?? (unlimited ? 1000 : undefined));
  const ends = [maxSteps, maxEpochs === undefined ? undefined : maxEpochs * stepsPerEpoch];
  const known = ends.filter((end) => end !== undefined);

  const limited = data.validationBatches.map((n) => limitBatches('limitValBatches', settings.limitValBatches, n));
  const validates = limited.some((n) => n > 0);
  const sanity = settings.numSanityValSteps ?? 2;
  const sanitySteps = sanity === -1 ? Number.POSITIVE_INFINITY : wholeNumber('numSanityValSteps', sanity, 0);
  const everyNEpoch = settings.checkValEveryNEpoch === undefined ? 1 : settings.checkValEveryNEpoch;
  const validateEpochs = everyNEpoch === null ? null : wholeNumber('checkValEveryNEpoch', everyNEpoch, 1);
  return {
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
    judgesAtEpochEnd: validateEpochs === 1 && (!validates || isOnce(settings.valCheckInterval)),
  };
}

/** True when an optimizer step follows this batch; else its gradient is kept for the next. */
export function isStepDue(plan: TrainingPlan, batch: number): boolean {
  return batch % plan.accumulate === 0 || batch === plan.batchesPerEpoch;
}

/**
 * True when validation follows this batch.
 * @param stopping the run ends here before its time (early stopping, maxTime), which is validated once more
 */
export function isValidationDue(plan: TrainingPlan, position: TrainingPosition, stopping = false): boolean {
  const { validateEpochs, validateEvery: every } = plan;
  if (plan.validationBatches === undefined) return false;
  if (validateEpochs !== null && (position.epoch + 1) % validateEpochs !== 0) return false;
  return stopping || (validateEpochs === null ? position.totalBatches : position.batch) % every === 0;
}

/**
 * Why the run ends, or undefined when it goes on. Asked after each batch and before the first.
 * @param epochs epochs that are complete
 * @param seconds spent training, those before a resume included
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
