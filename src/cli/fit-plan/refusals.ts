import type { Config } from '../../config/schema/schema.js';
import { LEARNING_CALLBACKS } from '../../config/schema/callbacks.js';
import { refuseGiven, type PlaceOf, type Refusal } from '../config-plan.js';

/** What Lightning's fit would do and ours does not: passing over it would train another model than was asked for. */
export function refuseForFit(config: Config, placeOf: PlaceOf): void {
  refuseGiven([...trainerRefusals(config), ...callbackRefusals(config), ...otherRefusals(config)], placeOf);
}

function trainerRefusals({ trainer }: Config): Refusal[] {
  const endsEarly =
    trainer.max_time !== null ||
    trainer.callbacks?.some((callback) => callback.class_path === 'EarlyStopping') === true;
  const least = (key: 'min_steps' | 'min_epochs'): Refusal => ({
    given: trainer[key] !== null && endsEarly,
    path: ['trainer', key],
    what: 'is not built beside EarlyStopping or max_time',
    hint: `Leave ${key} out, or give EarlyStopping more patience.`,
  });
  return [
    {
      given: trainer.fast_dev_run !== false && trainer.fast_dev_run !== 0,
      path: ['trainer', 'fast_dev_run'],
      what: 'is not built',
      hint: 'For a quick try set max_steps: 1, limit_val_batches: 1, logger: false and enable_checkpointing: false.',
    },
    {
      given: trainer.overfit_batches > 0,
      path: ['trainer', 'overfit_batches'],
      what: 'is not built',
      hint: 'Set limit_train_batches and data.init_args.shuffle_train: false instead.',
    },
    least('min_steps'),
    least('min_epochs'),
    {
      given: trainer.num_nodes !== 1,
      path: ['trainer', 'num_nodes'],
      what: 'this release trains on one machine',
      hint: 'Set trainer.num_nodes to 1.',
    },
  ];
}

function callbackRefusals({ trainer }: Config): Refusal[] {
  return (trainer.callbacks ?? []).flatMap((callback, index): Refusal[] => {
    const path = ['trainer', 'callbacks', index];
    if (LEARNING_CALLBACKS.some((name) => name === callback.class_path)) {
      const what = `${callback.class_path} changes what is learnt and is not built`;
      const timer = callback.class_path === 'Timer';
      return [{ given: true, path, what, hint: timer ? 'Set trainer.max_time.' : 'Take it out of trainer.callbacks.' }];
    }
    if (callback.class_path !== 'ModelCheckpoint') return [];
    return [
      {
        given: callback.init_args.train_time_interval != null,
        path: [...path, 'init_args', 'train_time_interval'],
        what: 'is not built',
        hint: 'Set every_n_train_steps.',
      },
      {
        given: trainer.enable_checkpointing === false,
        path,
        what: 'a ModelCheckpoint beside trainer.enable_checkpointing: false',
        hint: 'Take one of the two out.',
        code: 'bad_input',
      },
    ];
  });
}

function otherRefusals(config: Config): Refusal[] {
  const adamW = config.optimizer?.init_args;
  const optimizer = ['optimizer', 'init_args'];
  return [
    {
      given: adamW?.amsgrad === true,
      path: [...optimizer, 'amsgrad'],
      what: 'is not built',
      hint: 'Set it to false.',
    },
    {
      given: adamW?.maximize === true,
      path: [...optimizer, 'maximize'],
      what: 'is not built, fit minimises its losses',
      hint: 'Set it to false.',
    },
    {
      given: config.ckpt_path !== null && /\.(?:ckpt|pt|pth)$/.test(config.ckpt_path),
      path: ['ckpt_path'],
      what: "Lightning's .ckpt files are not read",
      hint: 'Name the folder of a checkpoint that fit wrote, or last. To start from weights, set model_name_or_path.',
    },
    {
      given: config.ckpt_path === 'best' || config.ckpt_path === 'hpc' || config.ckpt_path === 'registry',
      path: ['ckpt_path'],
      what: `"${config.ckpt_path}" is not built`,
      hint: 'Name the folder of a checkpoint, or last for the newest below trainer.default_root_dir.',
    },
  ];
}
