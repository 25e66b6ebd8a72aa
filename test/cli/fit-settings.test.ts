import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configPath, fitOptionsOf } from '../../src/cli/fit-settings.js';
import { loggersOf } from '../../src/cli/fit-output.js';
import { loadConfig } from '../../src/config/load-config.js';
import { RankDistillmError } from '../../src/errors.js';
import { DatasetRegistry, fit, type FitOptions, type LrSchedule } from '../../src/index.js';
import { load } from '../support/config.js';
import { modelFolder } from '../support/models.js';
import { sharedPath } from '../support/shared.js';

const test = suite('configurations of fit');

const BASE = `
data:
  train_batch_size: 4
  train_dataset: {run_path_or_id: a.run, targets: rank, depth: 10}
model:
  model_name_or_path: some/model
  loss_functions: [RankNet]
optimizer: {class_path: AdamW, init_args: {lr: 1.0e-05}}
`;

async function configOf(texts: string[], overrides: [string, string][] = []) {
  return (await load([BASE, ...texts], overrides, 'fit')).config;
}

async function optionsOf(texts: string[], overrides: [string, string][] = []): Promise<FitOptions> {
  return fitOptionsOf(await configOf(texts, overrides), new DatasetRegistry());
}

async function scheduleOf(texts: string[], totalSteps: number | undefined, overrides: [string, string][] = []) {
  const { lrScheduler } = await optionsOf(texts, overrides);
  return (lrScheduler as (totalSteps: number | undefined) => LrSchedule)(totalSteps);
}

test('the trainer has the names of FitOptions', async () => {
  const { trainer } = await optionsOf([
    `
trainer:
  precision: bf16
  max_steps: 100
  max_time: "00:01:00:00"
  limit_val_batches: 1
  check_val_every_n_epoch: null
  gradient_clip_val: 1.0
  token_budget: 4000
  non_finite: skip
  tokenizer_threads: 2
  enable_checkpointing: false
`,
  ]);
  const { device, precision, maxSteps, maxEpochs, maxTime, limitValBatches, checkValEveryNEpoch } = trainer!;
  assert.equal(
    [device, precision, maxSteps, maxEpochs, maxTime, limitValBatches, checkValEveryNEpoch],
    ['auto', 'bf16', 100, null, '00:01:00:00', 1, null],
  );
  const { gradientClipVal, tokenBudget, nonFinite, tokenizerThreads, enableCheckpointing } = trainer!;
  assert.equal(
    [gradientClipVal, tokenBudget, nonFinite, tokenizerThreads, enableCheckpointing],
    [1, 4000, 'skip', 2, false],
  );
});

test('callbacks become options, whose errors lead back to them', async () => {
  const config = await configOf([
    `
trainer:
  callbacks:
    - ReRankCallback
    - class_path: ModelCheckpoint
      init_args: {monitor: set/nDCG@10, mode: max, save_top_k: 2, save_last: true, every_n_train_steps: 5}
    - {class_path: EarlyStopping, init_args: {monitor: loss, patience: 1, check_on_train_epoch_end: true}}
    - {class_path: ModelCheckpoint, init_args: {save_on_train_epoch_end: false}}
    - LearningRateMonitor
`,
  ]);
  const { checkpoints, earlyStopping, logLearningRate } = await fitOptionsOf(config, new DatasetRegistry());
  assert.equal(checkpoints![0], {
    dirpath: null,
    filename: null,
    autoInsertMetricName: true,
    monitor: 'set/nDCG@10',
    mode: 'max',
    saveTopK: 2,
    saveLast: true,
    everyNTrainSteps: 5,
    everyNEpochs: null,
    saveWeightsOnly: false,
    saveOnTrainEpochEnd: null,
  });
  assert.is(checkpoints![1]?.saveOnTrainEpochEnd, false);
  assert.is(earlyStopping![0]?.patience, 1);
  assert.is(earlyStopping![0]?.checkOnTrainEpochEnd, true);
  assert.is(logLearningRate, true);
  const ways: [option: (string | number)[], key: string][] = [
    [['checkpoints', 1, 'monitor'], 'trainer.callbacks.3.init_args.monitor'],
    [['early_stopping', 0, 'monitor'], 'trainer.callbacks.2.init_args.monitor'],
    [['optimizer', 'lr'], 'optimizer.init_args.lr'],
    [['train', 'batch_size'], 'data.init_args.train_batch_size'],
    [['train', 'dataset', 'depth'], 'data.init_args.train_dataset.init_args.depth'],
    [['validate', 'datasets', 2, 'depth'], 'data.init_args.inference_datasets.2.init_args.depth'],
    [['trainer', 'device'], 'trainer.accelerator'],
    [['trainer', 'max_steps'], 'trainer.max_steps'],
  ];
  for (const [option, key] of ways) assert.is(configPath(option, config).join('.'), key);
});

test('loggers: TensorBoard where nothing is said, none for false, each with its folder', async () => {
  const kinds = async (yaml: string) =>
    loggersOf(await configOf([yaml])).map(({ kind, saveDir, name }) => [kind, saveDir, name]);
  const usual = [['TensorBoardLogger', '.', 'lightning_logs']];
  assert.equal(await kinds('trainer: {}'), usual);
  assert.equal(await kinds('trainer: {logger: true}'), usual);
  assert.equal(await kinds('trainer: {logger: false}'), []);
  const both =
    'trainer: {default_root_dir: out, logger: [CSVLogger, {class_path: TensorBoardLogger, init_args: {save_dir: tb, name: null}}]}';
  assert.equal(await kinds(both), [
    ['CSVLogger', 'out', 'lightning_logs'],
    ['TensorBoardLogger', 'tb', ''],
  ]);
});

test('num_training_steps comes from max_steps, else from the length of the run', async () => {
  const scheduler = 'lr_scheduler: {class_path: LinearLRSchedulerWithLinearWarmup, init_args: {num_warmup_steps: 2}}';
  const linear = await scheduleOf([scheduler], 1000, [['--trainer.max_steps', '12']]);
  assert.equal(
    [0, 1, 2, 7, 12, 20].map((step) => linear.factor(step)),
    [0, 0.5, 1, 0.5, 0, 0],
  );
  assert.is((await scheduleOf([scheduler], 22)).factor(12), 0.5);
  assert.is((await scheduleOf([scheduler], 1000, [['--lr_scheduler.num_training_steps', '4']])).factor(3), 0.5);
  try {
    await scheduleOf([scheduler], undefined, [['--trainer.max_time', '00:00:10:00']]);
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /lrScheduler\.numTrainingSteps: is not set, and only time limits the run/);
  }
});

test("torch's schedules", async () => {
  const factors = async (yaml: string) => {
    const schedule = await scheduleOf([`lr_scheduler: ${yaml}`], undefined);
    return [0, 1, 2].map((step) => schedule.factor(step));
  };
  assert.equal(await factors('{class_path: LinearLR, init_args: {start_factor: 0.5, total_iters: 2}}'), [0.5, 0.75, 1]);
  assert.equal(await factors('{class_path: ConstantLR, init_args: {factor: 0.25, total_iters: 1}}'), [0.25, 1, 1]);
  // eta_min is a rate: half of the optimizer's 1e-5
  const cosine = await factors('{class_path: CosineAnnealingLR, init_args: {T_max: 2, eta_min: 5e-6}}');
  cosine.forEach((factor, i) => assert.ok(Math.abs(factor - [1, 0.75, 0.5][i]!) < 1e-12, String(factor)));
});

test('losses keep their weights', async () => {
  const { losses } = await optionsOf([
    'model: {loss_functions: [[{class_path: ApproxRankMSE, init_args: {discount: log2}}, 0.5], InfoNCE]}',
  ]);
  const named = losses.map((entry) => {
    const [loss, weight] = entry as readonly [{ name: string }, number];
    return [loss.name, weight];
  });
  assert.equal(named, [
    ['ApproxRankMSE', 0.5],
    ['InfoNCE', 1],
  ]);
});

const REFUSED: [yaml: string, code: string, message: RegExp][] = [
  ['optimizer: null', 'bad_input', /optimizer: none is named/],
  ['model: {loss_functions: []}', 'bad_input', /1\.yaml:1: model\.init_args\.loss_functions: no loss is named/],
  ['data: {train_dataset: null}', 'bad_input', /train_dataset: there is nothing to learn from/],
  ['data: {train_batch_size: null}', 'bad_input', /train_batch_size: is missing/],
  ['data: {train_dataset: {targets: null}}', 'bad_input', /targets: is not set, so there is nothing to learn/],
  [
    'data: {train_dataset: {targets: subtopic_relevance}}',
    'unsupported',
    /targets: subtopic_relevance is not supported/,
  ],
  ['data: {train_dataset: {add_docs_not_in_ranking: true}}', 'bad_input', /added documents have no rank/],
  ['data: {train_dataset: {sample_size: 1}}', 'bad_input', /a sample of one document/],
  [
    'data: {train_dataset: {depth: -1}}\nmodel: {loss_functions: [ApproxMRR]}',
    'bad_input',
    /0\.yaml:4: .*targets: rank without a depth gives targets below 0, which ApproxMRR/,
  ],
  [
    'data: {train_dataset: {depth: 2000}}\nmodel: {loss_functions: [ApproxNDCG]}',
    'bad_input',
    /gains 2\^target - 1 overflow/,
  ],
  ['trainer: {fast_dev_run: true}', 'unsupported', /fast_dev_run: is not supported/],
  ['trainer: {devices: 0}', 'bad_input', /devices: expected auto, -1, a count or a list of GPUs, received "0"/],
  ['trainer: {devices: [0, 0]}', 'bad_input', /devices: a GPU is listed twice/],
  ['trainer: {strategy: fsdp}', 'unsupported', /strategy: fsdp is not supported/],
  ['trainer: {accelerator: tpu}', 'unsupported', /trainer\.accelerator: "tpu" is not supported/],
  ['trainer: {min_steps: 5, max_time: {hours: 1}}', 'unsupported', /min_steps: is not supported with/],
  [
    'trainer: {gradient_clip_algorithm: value}',
    'bad_input',
    /gradient_clip_algorithm: is set without gradient_clip_val/,
  ],
  [
    'trainer: {callbacks: [StochasticWeightAveraging]}',
    'unsupported',
    /callbacks\.0: StochasticWeightAveraging changes training/,
  ],
  ['trainer: {callbacks: [Timer]}', 'unsupported', /Timer changes/],
  [
    'trainer: {enable_checkpointing: false, callbacks: [ModelCheckpoint]}',
    'bad_input',
    /a ModelCheckpoint contradicts trainer\.enable_checkpointing: false/,
  ],
  [
    'trainer: {callbacks: [{class_path: ModelCheckpoint, init_args: {save_top_k: 3}}]}',
    'bad_input',
    /save_top_k: without monitor/,
  ],
  [
    'trainer: {callbacks: [{class_path: ModelCheckpoint, init_args: {every_n_epochs: 1, every_n_train_steps: 2}}]}',
    'bad_input',
    /exclude each other/,
  ],
  [
    'trainer: {callbacks: [{class_path: ModelCheckpoint, init_args: {train_time_interval: {hours: 1}}}]}',
    'unsupported',
    /train_time_interval: is not supported/,
  ],
  ['optimizer: {init_args: {amsgrad: true}}', 'unsupported', /amsgrad: is not supported/],
  ['ckpt_path: lightning_logs/version_0/checkpoints/last.ckpt', 'unsupported', /\.ckpt files are not read/],
  ['ckpt_path: best', 'unsupported', /"best" is not supported/],
];

for (const [yaml, code, message] of REFUSED) {
  test(`${yaml.replaceAll('\n', '; ')} is refused`, async () => {
    let error: unknown;
    try {
      await optionsOf([yaml]);
    } catch (thrown) {
      error = thrown;
    }
    assert.instance(error, RankDistillmError);
    if (!(error instanceof RankDistillmError)) return;
    assert.is(error.code, code);
    assert.match(error.message, message);
    assert.ok(error.hint);
  });
}

// What needs the engine or the dataset's options is refused by fit, before anything is opened.
const REFUSED_BY_FIT: [yaml: string, message: RegExp][] = [
  [
    'data: {inference_datasets: [{run_path_or_id: b.run, sampling_strategy: random}]}\nmodel: {evaluation_metrics: [AP], model_name_or_path: MODEL}',
    /options\.validate\.datasets\.0\.samplingStrategy: "random" is for training only/,
  ],
  [
    'data: {inference_datasets: [{run_path_or_id: b.run, add_docs_not_in_ranking: true}]}\nmodel: {evaluation_metrics: [AP], model_name_or_path: MODEL}',
    /options\.validate\.datasets\.0\.addDocsNotInRanking: is for training only/,
  ],
  ['trainer: {precision: bf16-true}', /options\.trainer\.precision: bf16-true does not train/],
  ['trainer: {precision: int8}', /options\.trainer\.precision: int8 does not train/],
  ['trainer: {accelerator: gpu}', /options\.trainer\.device: cuda: no GPU was found/],
  ['trainer: {devices: [3]}', /options\.trainer\.device: cuda:3: no GPU was found/],
];

for (const [yaml, message] of REFUSED_BY_FIT) {
  test(`${yaml} is refused by fit`, async () => {
    try {
      await fit(await optionsOf([yaml.replace('MODEL', modelFolder())]));
      assert.unreachable('accepted');
    } catch (error) {
      assert.instance(error, RankDistillmError);
      assert.is((error as RankDistillmError).code, 'unsupported');
      assert.match((error as Error).message, message);
    }
  });
}

for (const name of ['pre-finetune', 'finetune']) {
  const path = sharedPath(`seed/configs/${name}.yaml`);
  if (!path) continue;
  test(`the paper's ${name}.yaml runs as it is`, async () => {
    const { config } = await loadConfig([{ kind: 'file', path }], 'fit');
    const found = await fitOptionsOf(config, new DatasetRegistry());
    assert.is(found.seed, 42);
    assert.is(found.train.batchSize, 32);
    assert.is(found.trainer?.precision, 'bf16-mixed');
    assert.is(found.config?.docLength, 256);
    assert.is(found.optimizer?.lr, 1e-5);
    const first = name === 'pre-finetune';
    const [loss] = found.losses[0] as readonly [{ name: string }, number];
    assert.is(loss.name, first ? 'InfoNCE' : 'RankNet');
    assert.is(found.trainer?.maxSteps, first ? 20_000 : -1);
    assert.is(found.trainer?.maxEpochs, first ? null : 3);
    assert.is((found.train.dataset as { depth: number }).depth, first ? 200 : 100);
  });
}

test.run();
