import type { Config } from '../../config/schema/schema.js';
import { readPrecision, TRAINING_PRECISIONS } from '../../config/precision.js';
import { spanSeconds } from '../../config/time-span.js';
import type { TrainerSettings } from '../../fit/fit-options.js';
import { batchLimit, refuseGiven, type PlaceOf } from '../config-plan.js';
import { engineSettings } from '../engine-settings.js';

/** `trainer`, by the names of `FitOptions`. Null is Lightning's "not given". */
export function trainerSettings({ trainer }: Config, placeOf: PlaceOf): TrainerSettings {
  const precision = readPrecision(trainer.precision, `${placeOf(['trainer', 'precision'])}: trainer.precision`);
  refuseGiven(
    [
      {
        given: !TRAINING_PRECISIONS.includes(precision),
        path: ['trainer', 'precision'],
        what: 'fit keeps its weights in float32',
        hint: 'Use bf16-mixed, which computes in bfloat16, or 32-true.',
      },
      {
        given: trainer.gradient_clip_algorithm !== null && trainer.gradient_clip_val === null,
        path: ['trainer', 'gradient_clip_algorithm'],
        what: 'says how to clip, and gradient_clip_val is missing',
        hint: 'Set gradient_clip_val, for example to 1.0, or leave both out.',
        code: 'bad_input',
      },
    ],
    placeOf,
  );
  return {
    precision,
    ...engineSettings(trainer, placeOf),
    maxSteps: trainer.max_steps === -1 ? undefined : trainer.max_steps,
    maxEpochs: trainer.max_epochs ?? undefined,
    maxTime: trainer.max_time === null ? undefined : spanSeconds(trainer.max_time),
    limitTrainBatches: batchLimit(trainer.limit_train_batches),
    limitValBatches: batchLimit(trainer.limit_val_batches),
    valCheckInterval: batchLimit(trainer.val_check_interval),
    checkValEveryNEpoch: trainer.check_val_every_n_epoch,
    numSanityValSteps: trainer.num_sanity_val_steps ?? undefined,
    logEveryNSteps: trainer.log_every_n_steps ?? undefined,
    accumulateGradBatches: trainer.accumulate_grad_batches,
    gradientClipVal: trainer.gradient_clip_val ?? undefined,
    gradientClipAlgorithm: trainer.gradient_clip_algorithm ?? undefined,
    tokenBudget: trainer.token_budget ?? undefined,
    nonFinite: trainer.non_finite,
    defaultRootDir: trainer.default_root_dir ?? undefined,
    enableCheckpointing: trainer.enable_checkpointing ?? undefined,
  };
}
