import { optionsFrom } from '../config/read-settings.js';
import { earlyStoppingOptions, modelCheckpointOptions } from '../config/schema/callbacks.js';
import { runDatasetOptions, tupleDatasetOptions } from '../config/schema/data.js';
import { isOwnClass } from '../config/schema/fields.js';
import type { Config } from '../config/schema/schema.js';
import { trainerOptions } from '../config/schema/trainer.js';
import { adamWOptions, scheduleOptions } from '../config/schema/training.js';
import { aboutSetting, settingError, type SettingPath } from '../config/setting-error.js';
import type { DatasetRegistry } from '../data/registry.js';
import type { FitOptions } from '../fit/fit-options.js';
import { fingerprintFile } from '../io/fingerprint.js';
import { createLoss } from '../loss/create-loss.js';
import { loadUserLoss } from '../loss/load-user-loss.js';
import type { Loss } from '../loss/loss.js';
import type { WeightedLoss } from '../loss/weighted-losses.js';
import type { LrSchedule } from '../train/lr-schedules.js';
import { ConstantLR, CosineAnnealingLR, LinearLR } from '../train/lr-schedules.js';
import { ConstantLRSchedulerWithLinearWarmup, LinearLRSchedulerWithLinearWarmup } from '../train/lr-schedules.js';
import { deviceOf, devicePath, labelOf, measureNames, monoOverrides } from './shared-settings.js';

type Callback = NonNullable<Config['trainer']['callbacks']>[number];

/**
 * A configuration that was checked for `fit`, as the options of the function `fit`: the same settings by their other
 * names. `configPath` leads the way back.
 *
 * @throws SettingError with the path of the configuration for losses that do not load
 */
export async function fitOptionsOf(config: Config, registry: DatasetRegistry, localRank?: number): Promise<FitOptions> {
  const { trainer, optimizer } = config;
  const data = config.data!.init_args;
  const model = config.model!.init_args;
  return {
    model: model.model_name_or_path!,
    config: monoOverrides(config),
    label: labelOf(config),
    seed: typeof config.seed_everything === 'number' ? config.seed_everything : 'random',
    registry,
    train: {
      dataset: datasetOptions(data.train_dataset!),
      batchSize: data.train_batch_size!,
      shuffle: data.shuffle_train,
    },
    validate: {
      datasets: (data.inference_datasets ?? []).map(datasetOptions),
      batchSize: data.inference_batch_size ?? 1,
      metrics: measureNames(config),
    },
    losses: await lossesOf(model.loss_functions ?? []),
    optimizer: optionsFrom(adamWOptions, optimizer!.init_args),
    lrScheduler: config.lr_scheduler === null ? undefined : (totalSteps) => scheduleOf(config, totalSteps),
    trainer: optionsFrom(trainerOptions, { ...trainer, device: deviceOf(trainer, localRank) }),
    ...callbacksOf(trainer.callbacks ?? []),
  };
}

function datasetOptions(dataset: NonNullable<NonNullable<Config['data']>['init_args']['train_dataset']>) {
  return dataset.class_path === 'TupleDataset'
    ? optionsFrom(tupleDatasetOptions, dataset.init_args)
    : optionsFrom(runDatasetOptions, dataset.init_args);
}

function callbacksOf(callbacks: readonly Callback[]) {
  const checkpoints = callbacks.flatMap((callback) =>
    callback.class_path === 'ModelCheckpoint' ? [optionsFrom(modelCheckpointOptions, callback.init_args)] : [],
  );
  return {
    checkpoints: checkpoints.length > 0 ? checkpoints : undefined,
    earlyStopping: callbacks.flatMap((callback) =>
      callback.class_path === 'EarlyStopping' ? [optionsFrom(earlyStoppingOptions, callback.init_args)] : [],
    ),
    logLearningRate: callbacks.some((callback) => callback.class_path === 'LearningRateMonitor'),
  };
}

const LOSSES = ['model', 'init_args', 'loss_functions'];

async function lossesOf(written: NonNullable<NonNullable<Config['model']>['init_args']['loss_functions']>) {
  const losses: WeightedLoss[] = [];
  for (const [index, entry] of written.entries()) {
    const [{ class_path: name, init_args: args }, weight] = Array.isArray(entry) ? entry : ([entry, 1] as const);
    try {
      losses.push([isOwnClass(name) ? await ownLoss(name, args) : createLoss(name, args), weight]);
    } catch (error) {
      throw settingError([...LOSSES, index], error);
    }
  }
  return losses;
}

/** A custom loss with the checksum of its file, so that a resume tells a change. */
async function ownLoss(classPath: string, args: Readonly<Record<string, unknown>>): Promise<Loss> {
  const loss = await loadUserLoss(classPath, args);
  return { ...loss, source: await fingerprintFile(classPath.slice(0, classPath.lastIndexOf(':'))) };
}

/** A schedule may depend on the length of the run, which is known when the data are open. */
function scheduleOf({ lr_scheduler, optimizer, trainer }: Config, totalSteps: number | undefined): LrSchedule {
  const written = lr_scheduler!;
  const options = scheduleOptions;
  return aboutSetting(['lr_scheduler'], () => {
    switch (written.class_path) {
      case 'LinearLRSchedulerWithLinearWarmup':
        return new LinearLRSchedulerWithLinearWarmup(
          optionsFrom(options.LinearLRSchedulerWithLinearWarmup, written.init_args),
          // lightning-ir links num_training_steps to max_steps
          trainer.max_steps === -1 ? totalSteps : trainer.max_steps,
        );
      case 'ConstantLRSchedulerWithLinearWarmup':
        return new ConstantLRSchedulerWithLinearWarmup(
          optionsFrom(options.ConstantLRSchedulerWithLinearWarmup, written.init_args),
        );
      case 'LinearLR':
        return new LinearLR(optionsFrom(options.LinearLR, written.init_args));
      case 'ConstantLR':
        return new ConstantLR(optionsFrom(options.ConstantLR, written.init_args));
      case 'CosineAnnealingLR':
        return new CosineAnnealingLR(
          optionsFrom(options.CosineAnnealingLR, written.init_args),
          optimizer?.init_args.lr,
        );
    }
  });
}

const DATA = ['data', 'init_args'];
const MODEL = ['model', 'init_args'];

/** Where the configuration has an option of `fit`. */
export function configPath([section = '', ...rest]: SettingPath, { trainer }: Config): SettingPath {
  const [index, ...inside] = rest;
  const nth = (name: Callback['class_path']): SettingPath => {
    const places = [...(trainer.callbacks ?? []).entries()].filter(([, callback]) => callback.class_path === name);
    return ['trainer', 'callbacks', places[Number(index)]?.[0] ?? 0, 'init_args', ...inside];
  };
  switch (section) {
    case 'checkpoints':
      return nth('ModelCheckpoint');
    case 'early_stopping':
      return nth('EarlyStopping');
    case 'optimizer':
    case 'lr_scheduler':
      return [section, 'init_args', ...rest];
    case 'config':
      return [...MODEL, 'config', 'init_args', ...rest];
    case 'trainer':
      return index === 'device' ? devicePath(trainer) : [section, ...rest];
    case 'train':
      return index === 'dataset' ? [...DATA, 'train_dataset', 'init_args', ...inside] : [...DATA, `train_${index}`];
    case 'validate':
      return [...DATA, 'inference_datasets', ...rest.slice(1, 2), 'init_args', ...rest.slice(2)];
    default:
      return [section, ...rest];
  }
}
