import type { Config } from '../../config/schema/schema.js';
import type { EarlyStoppingOptions } from '../../train/early-stopping.js';
import type { ModelCheckpointOptions } from '../../train/model-checkpoint.js';
import { refuseGiven, type PlaceOf } from '../config-plan.js';

/** A name of a logged value that a callback watches, and the key where it was written. */
export interface PlacedMonitor {
  name: string;
  place: string;
}

export interface FitCallbacks {
  checkpoints: ModelCheckpointOptions[];
  earlyStopping: EarlyStoppingOptions[];
  monitors: PlacedMonitor[];
  logLearningRate: boolean;
}

type Callback = NonNullable<Config['trainer']['callbacks']>[number];
type ArgumentsOf<N extends Callback['class_path']> = Extract<Callback, { class_path: N }>['init_args'];

/** The callbacks that fit heeds; those of re_rank and idle ones are passed over. */
export function callbacksOf(config: Config, placeOf: PlaceOf): FitCallbacks {
  const found: FitCallbacks = { checkpoints: [], earlyStopping: [], monitors: [], logLearningRate: false };
  for (const [index, callback] of (config.trainer.callbacks ?? []).entries()) {
    const path = ['trainer', 'callbacks', index, 'init_args'];
    const watch = (name: string): void => {
      const key = [...path, 'monitor'];
      found.monitors.push({ name, place: `${placeOf(key)}: ${key.join('.')}` });
    };
    if (callback.class_path === 'ModelCheckpoint') {
      found.checkpoints.push(checkpointOptions(callback.init_args, path, placeOf));
      if (callback.init_args.monitor !== null) watch(callback.init_args.monitor);
    } else if (callback.class_path === 'EarlyStopping') {
      found.earlyStopping.push(stoppingOptions(callback.init_args));
      watch(callback.init_args.monitor);
    } else if (callback.class_path === 'LearningRateMonitor') found.logLearningRate = true;
  }
  return found;
}

function checkpointOptions(
  args: ArgumentsOf<'ModelCheckpoint'>,
  path: (string | number)[],
  placeOf: PlaceOf,
): ModelCheckpointOptions {
  refuseGiven(
    [
      {
        given: args.monitor === null && args.save_top_k > 1,
        path: [...path, 'save_top_k'],
        what: `without monitor nothing says which ${args.save_top_k} checkpoints are the best`,
        hint: 'Set monitor, or save_top_k to -1 (all), 0 (none) or 1 (the newest).',
        code: 'bad_input',
      },
      {
        given: (args.every_n_train_steps ?? 0) > 0 && (args.every_n_epochs ?? 0) > 0,
        path: [...path, 'every_n_epochs'],
        what: 'and every_n_train_steps exclude each other',
        hint: 'Keep one of them, or list two ModelCheckpoints.',
        code: 'bad_input',
      },
    ],
    placeOf,
  );
  return {
    dirpath: args.dirpath ?? undefined,
    filename: args.filename ?? undefined,
    autoInsertMetricName: args.auto_insert_metric_name,
    monitor: args.monitor ?? undefined,
    mode: args.mode,
    saveTopK: args.save_top_k,
    saveLast: args.save_last === true || args.save_last === 'link',
    everyNTrainSteps: args.every_n_train_steps ?? undefined,
    everyNEpochs: args.every_n_epochs ?? undefined,
    saveOnTrainEpochEnd: args.save_on_train_epoch_end ?? undefined,
  };
}

function stoppingOptions(args: ArgumentsOf<'EarlyStopping'>): EarlyStoppingOptions {
  return {
    monitor: args.monitor,
    mode: args.mode,
    patience: args.patience,
    minDelta: args.min_delta,
    stoppingThreshold: args.stopping_threshold ?? undefined,
    divergenceThreshold: args.divergence_threshold ?? undefined,
    strict: args.strict,
    checkFinite: args.check_finite,
    checkOnTrainEpochEnd: args.check_on_train_epoch_end ?? undefined,
  };
}
