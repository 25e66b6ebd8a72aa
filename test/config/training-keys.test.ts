import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { printConfig } from '../../src/config/print-config.js';
import { Share } from '../../src/config/share.js';
import { spanSeconds } from '../../src/config/time-span.js';
import { failure, load } from '../support/config.js';

const test = suite('keys of training');

const LIMITS: [written: string, value: number | Share][] = [
  ['1', 1],
  ['1.0', new Share(1)],
  ['0.25', new Share(0.25)],
  ['100_000', 100_000],
  ['1e0', new Share(1)],
  ['0', 0],
  ['0.0', new Share(0)],
];

for (const [written, value] of LIMITS) {
  test(`limit_val_batches: ${written} keeps its meaning in files, options and print`, async () => {
    const { config } = await load([`trainer: {limit_val_batches: ${written}}`]);
    assert.equal(config.trainer.limit_val_batches, value);
    const option = await load([], [['--trainer.limit_val_batches', written]]);
    assert.equal(option.config.trainer.limit_val_batches, value);
    const again = await load([printConfig(config)]);
    assert.equal(again.config, config);
  });
}

test('a later file may turn a share into a number of batches', async () => {
  const { config } = await load(['trainer: {val_check_interval: 0.5}', 'trainer: {val_check_interval: 200}']);
  assert.is(config.trainer.val_check_interval, 200);
});

for (const written of ['1.5', '-1', '-0.5', 'half']) {
  test(`limit_val_batches: ${written} is refused`, async () => {
    const { message } = await failure([`trainer:\n  limit_val_batches: ${written}`]);
    assert.match(message, /^0\.yaml:2: trainer\.limit_val_batches: expected a whole number of batches .* or a share/);
    assert.ok(message.includes(`received the ${written === 'half' ? 'text "half"' : `number ${written}`}`), message);
  });
}

const TIMES: [yaml: string, seconds: number][] = [
  ['"00:12:00:00"', 43_200],
  ['01:02:03:04', 93_784],
  ['{days: 1, hours: 2}', 93_600],
  ['{minutes: 1.5, seconds: 1}', 91],
  ['{weeks: 1}', 604_800],
];

for (const [yaml, seconds] of TIMES) {
  test(`max_time: ${yaml} is ${seconds} seconds`, async () => {
    const { config } = await load([`trainer: {max_time: ${yaml}}`]);
    assert.ok(config.trainer.max_time !== null);
    assert.is(spanSeconds(config.trainer.max_time), seconds);
  });
}

test('a wrong max_time is named', async () => {
  assert.match(
    (await failure(['trainer: {max_time: 12 hours}'])).message,
    /trainer\.max_time: expected text like "00:12:00:00"/,
  );
  const { message, hint } = await failure(['trainer: {max_time: {hour: 1}}']);
  assert.match(message, /unknown key "hour" in trainer\.max_time/);
  assert.is(hint, 'The nearest known key is "hours".');
});

const TENSORBOARD = {
  class_path: 'TensorBoardLogger',
  init_args: { save_dir: null, name: 'lightning_logs', version: null, prefix: '', sub_dir: null },
};
const CSV = {
  class_path: 'CSVLogger',
  init_args: { save_dir: 'logs', name: 'lightning_logs', version: null, prefix: '' },
};

const LOGGERS: [yaml: string, value: unknown][] = [
  ['false', false],
  ['true', true],
  ['null', null],
  ['TensorBoardLogger', TENSORBOARD],
  ['{class_path: lightning.pytorch.loggers.CSVLogger, init_args: {save_dir: logs}}', CSV],
  ['[TensorBoardLogger, {class_path: CSVLogger, init_args: {save_dir: logs}}]', [TENSORBOARD, CSV]],
  ['[]', []],
];

for (const [yaml, value] of LOGGERS) {
  test(`logger: ${yaml}`, async () => {
    const { config } = await load([`trainer: {logger: ${yaml}}`]);
    assert.equal(config.trainer.logger, value);
  });
}

test('options change and append loggers', async () => {
  const { config } = await load(
    ['trainer: {logger: TensorBoardLogger}'],
    [
      ['--trainer.logger+', 'CSVLogger'],
      ['--trainer.logger.save_dir', 'logs'],
    ],
  );
  assert.equal(config.trainer.logger, [TENSORBOARD, CSV]);
  const one = await load(['trainer: {logger: CSVLogger}'], [['--trainer.logger.save_dir', 'logs']]);
  assert.equal(one.config.trainer.logger, CSV);
});

test('loggers that send logs away are refused with a hint', async () => {
  for (const name of ['WandbLogger', 'lightning_ir.main.LightningIRWandbLogger', '[CometLogger]']) {
    const error = await failure([`trainer:\n  logger: ${name}`]);
    assert.is(error.code, 'unsupported');
    assert.match(error.message, /^0\.yaml:2: trainer\.logger.*: \w+ is not supported: logs are not sent to services/);
    assert.match(error.hint ?? '', /TensorBoardLogger, CSVLogger/);
  }
});

test('a misspelt argument of a logger is named', async () => {
  const { message } = await failure([
    'trainer:\n  logger:\n    - class_path: CSVLogger\n      init_args: {savedir: x}',
  ]);
  assert.is(message, '0.yaml:4: unknown key "savedir" in trainer.logger.0.init_args (CSVLogger)');
});

test('losses by their old name, of their own, and weighted', async () => {
  const { config } = await load([
    `
model:
  loss_functions:
    - lightning_ir.LocalizedContrastiveEstimation
    - {class_path: "./my-loss.ts:MyLoss", init_args: {gamma: 2, name: x}}
    - [./other.mjs:Other, 0.5]
`,
  ]);
  assert.equal(config.model?.init_args.loss_functions, [
    { class_path: 'InfoNCE', init_args: {} },
    { class_path: './my-loss.ts:MyLoss', init_args: { gamma: 2, name: 'x' } },
    [{ class_path: './other.mjs:Other', init_args: {} }, 0.5],
  ]);
  assert.equal((await load([printConfig(config)])).config, config);
});

const OWN_WRONG: [yaml: string, message: RegExp][] = [
  ['model: {loss_functions: [./my-loss.ts]}', /"\.\/my-loss\.ts" names no class of a module/],
  ['model: {loss_functions: ["./my-loss.py:Loss"]}', /names no class of a module/],
  ['optimizer: "./mine.ts:Sgd"', /custom classes are not allowed here \("\.\/mine\.ts:Sgd"\)/],
];

for (const [yaml, message] of OWN_WRONG) {
  test(`${yaml} is refused`, async () => {
    const error = await failure([yaml]);
    assert.match(error.message, message);
    assert.ok(error.hint);
  });
}

for (const name of ['./model', 'webis/monoelectra-base', 'model', '/models/mono.v2']) {
  test(`${name} where the class of a model belongs gets a hint on how a model is named`, async () => {
    const error = await failure([], [['--model', name]]);
    assert.is(
      error.hint,
      `A model is written {model_name_or_path: ${name}}, or --model.model_name_or_path ${name} on the command line.`,
    );
  });
}

test('a misspelt class of a dataset gets the nearest, and a run file the key of one', async () => {
  const hint = async (name: string): Promise<string | undefined> =>
    (await failure([`data: {inference_datasets: [${name}]}`])).hint;
  assert.is(await hint('RunDatset'), 'The nearest known class is "RunDataset".');
  assert.match((await hint('bm25'))!, /^A run file is written \{run_path_or_id: bm25\}/);
});

const SCHEDULES: [yaml: string, initArgs: object][] = [
  ['torch.optim.lr_scheduler.LinearLR', { start_factor: 1 / 3, end_factor: 1, total_iters: 5 }],
  ['{class_path: ConstantLR, init_args: {factor: 0.5}}', { factor: 0.5, total_iters: 5 }],
  ['{class_path: CosineAnnealingLR, init_args: {T_max: 100, eta_min: 1e-7}}', { T_max: 100, eta_min: 1e-7 }],
  [
    '{class_path: LinearLRSchedulerWithLinearWarmup, init_args: {num_warmup_steps: 10}}',
    { num_warmup_steps: 10, num_training_steps: null, final_value: 0, num_delay_steps: 0 },
  ],
];

for (const [yaml, initArgs] of SCHEDULES) {
  test(`lr_scheduler: ${yaml}`, async () => {
    const { config } = await load([`lr_scheduler: ${yaml}`]);
    assert.equal(config.lr_scheduler?.init_args, initArgs);
  });
}

test('tuples for training', async () => {
  const { config } = await load([
    'data: {train_dataset: {class_path: lightning_ir.TupleDataset, init_args: {tuples_dataset: my/tuples}}}',
  ]);
  assert.equal(config.data?.init_args.train_dataset, {
    class_path: 'TupleDataset',
    init_args: { tuples_dataset: 'my/tuples', targets: 'order', num_docs: null },
  });
});

test('callbacks of training and idle ones', async () => {
  const { config, ignored } = await load([
    `
trainer:
  callbacks:
    - {class_path: ModelCheckpoint, init_args: {monitor: loss, save_last: link, save_top_k: -1}}
    - {class_path: lightning.pytorch.callbacks.EarlyStopping, init_args: {monitor: a/nDCG@10, mode: max}}
    - LearningRateMonitor
    - TQDMProgressBar
`,
  ]);
  assert.equal(
    config.trainer.callbacks?.map((callback) => callback.class_path),
    ['ModelCheckpoint', 'EarlyStopping', 'LearningRateMonitor', 'TQDMProgressBar'],
  );
  assert.equal(ignored, []);
});

test.run();
