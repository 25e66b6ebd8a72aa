import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { planFit, type FitPlan } from '../../src/cli/fit-plan.js';
import { loadConfig } from '../../src/config/load-config.js';
import { RankDistillmError } from '../../src/errors.js';
import { load } from '../support/config.js';
import { sharedPath } from '../support/shared.js';

const test = suite('plan of fit');

const BASE = `
data:
  train_batch_size: 4
  train_dataset: {run_path_or_id: a.run, targets: rank, depth: 10}
model:
  model_name_or_path: some/model
  loss_functions: [RankNet]
optimizer: {class_path: AdamW, init_args: {lr: 1.0e-05}}
`;

async function plan(texts: string[], overrides: [string, string][] = []): Promise<FitPlan> {
  return planFit(await load([BASE, ...texts], overrides));
}

test('the trainer is handed on by the names of FitOptions', async () => {
  const { trainer } = await plan([
    `
trainer:
  precision: bf16
  max_steps: 100
  max_time: "00:01:00:00"
  limit_train_batches: 1.0
  limit_val_batches: 1
  val_check_interval: 0.5
  check_val_every_n_epoch: null
  num_sanity_val_steps: 0
  log_every_n_steps: 5
  accumulate_grad_batches: 2
  gradient_clip_val: 1.0
  token_budget: 4000
  non_finite: skip
  threads: 3
  tokenizer_threads: 2
  default_root_dir: out
  enable_checkpointing: false
`,
  ]);
  assert.equal(trainer, {
    device: 'auto',
    tf32: false,
    memoryFraction: undefined,
    precision: 'bf16-mixed',
    threads: 3,
    tokenizerThreads: 2,
    maxSteps: 100,
    maxEpochs: undefined,
    maxTime: 3600,
    limitTrainBatches: { share: 1 },
    limitValBatches: { batches: 1 },
    valCheckInterval: { share: 0.5 },
    checkValEveryNEpoch: null,
    numSanityValSteps: 0,
    logEveryNSteps: 5,
    accumulateGradBatches: 2,
    gradientClipVal: 1,
    gradientClipAlgorithm: undefined,
    tokenBudget: 4000,
    nonFinite: 'skip',
    defaultRootDir: 'out',
    enableCheckpointing: false,
  });
});

test('callbacks become policies, and what they watch has a place', async () => {
  const found = await plan([
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
  assert.equal(found.checkpoints.slice(0, 1), [
    {
      dirpath: undefined,
      filename: undefined,
      autoInsertMetricName: true,
      monitor: 'set/nDCG@10',
      mode: 'max',
      saveTopK: 2,
      saveLast: true,
      everyNTrainSteps: 5,
      everyNEpochs: undefined,
      saveOnTrainEpochEnd: undefined,
    },
  ]);
  assert.is(found.checkpoints[1]?.saveOnTrainEpochEnd, false);
  assert.is(found.earlyStopping[0]?.patience, 1);
  assert.is(found.earlyStopping[0]?.checkOnTrainEpochEnd, true);
  assert.ok(found.logLearningRate);
  assert.equal(
    found.monitors.map(({ name, place }) => [name, place.replace(/^.*\//, '')]),
    [
      ['set/nDCG@10', '1.yaml:6: trainer.callbacks.1.init_args.monitor'],
      ['loss', '1.yaml:7: trainer.callbacks.2.init_args.monitor'],
    ],
  );
});

test('loggers: TensorBoard where nothing is said, none for false, each with its folder', async () => {
  const kinds = async (yaml: string) =>
    (await plan([yaml])).loggers.map(({ kind, saveDir, name }) => [kind, saveDir, name]);
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
  const linear = (await plan([scheduler], [['--trainer.max_steps', '12']])).schedule!.build(1000);
  assert.equal(
    [0, 1, 2, 7, 12, 20].map((step) => linear.factor(step)),
    [0, 0.5, 1, 0.5, 0, 0],
  );
  const epochs = (await plan([scheduler])).schedule!.build(22);
  assert.is(epochs.factor(12), 0.5);
  const given = await plan([scheduler], [['--lr_scheduler.num_training_steps', '4']]);
  assert.is(given.schedule!.build(1000).factor(3), 0.5);
  const { schedule } = await plan([scheduler], [['--trainer.max_time', '00:00:10:00']]);
  assert.throws(
    () => schedule!.build(undefined),
    (error: Error) => /0?1\.yaml:1: lr_scheduler: num_training_steps is missing/.test(error.message),
  );
});

test("torch's schedules", async () => {
  const factors = async (yaml: string) => {
    const schedule = (await plan([`lr_scheduler: ${yaml}`])).schedule!.build(undefined);
    return [0, 1, 2].map((step) => schedule.factor(step));
  };
  assert.equal(await factors('{class_path: LinearLR, init_args: {start_factor: 0.5, total_iters: 2}}'), [0.5, 0.75, 1]);
  assert.equal(await factors('{class_path: ConstantLR, init_args: {factor: 0.25, total_iters: 1}}'), [0.25, 1, 1]);
  // eta_min is a rate: half of the optimizer's 1e-5
  const cosine = await factors('{class_path: CosineAnnealingLR, init_args: {T_max: 2, eta_min: 5e-6}}');
  cosine.forEach((factor, i) => assert.ok(Math.abs(factor - [1, 0.75, 0.5][i]!) < 1e-12, String(factor)));
});

test('losses keep their arguments and weights', async () => {
  const { losses } = await plan([
    'model: {loss_functions: [[{class_path: ApproxRankMSE, init_args: {discount: log2}}, 0.5], ./a.ts:Mine]}',
  ]);
  assert.equal(
    losses.map(({ classPath, initArgs, weight }) => [classPath, initArgs, weight]),
    [
      ['ApproxRankMSE', { temperature: 1, discount: 'log2' }, 0.5],
      ['./a.ts:Mine', {}, 1],
    ],
  );
});

const REFUSED: [yaml: string, code: string, message: RegExp][] = [
  ['optimizer: null', 'bad_input', /optimizer: none is named/],
  ['model: {loss_functions: []}', 'bad_input', /1\.yaml:1: model\.init_args\.loss_functions: no loss is named/],
  ['data: {train_dataset: null}', 'bad_input', /train_dataset: there is nothing to learn from/],
  ['data: {train_batch_size: null}', 'bad_input', /train_batch_size is missing/],
  ['data: {train_dataset: {targets: null}}', 'bad_input', /targets: not set, so there is nothing to learn/],
  ['data: {train_dataset: {targets: subtopic_relevance}}', 'unsupported', /targets: subtopic_relevance is not built/],
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
  ['trainer: {precision: bf16-true}', 'unsupported', /trainer\.precision: fit keeps its weights in float32/],
  ['trainer: {precision: int8}', 'unsupported', /trainer\.precision: fit keeps its weights in float32/],
  ['trainer: {fast_dev_run: true}', 'unsupported', /fast_dev_run: is not built/],
  ['trainer: {overfit_batches: 0.1}', 'unsupported', /overfit_batches: is not built/],
  ['trainer: {devices: 2}', 'unsupported', /devices: this release computes on one device/],
  ['trainer: {devices: [0, 1]}', 'unsupported', /one device/],
  ['trainer: {num_nodes: 2}', 'unsupported', /one machine/],
  ['trainer: {accelerator: gpu}', 'unsupported', /trainer\.accelerator: cuda: no GPU was found/],
  ['trainer: {devices: [3]}', 'unsupported', /trainer\.devices: cuda:3: no GPU was found/],
  ['trainer: {accelerator: tpu}', 'unsupported', /trainer\.accelerator: "tpu" is not built/],
  ['trainer: {min_steps: 5, max_time: {hours: 1}}', 'unsupported', /min_steps: is not built beside/],
  ['trainer: {gradient_clip_algorithm: value}', 'bad_input', /gradient_clip_val is missing/],
  [
    'trainer: {callbacks: [StochasticWeightAveraging]}',
    'unsupported',
    /callbacks\.0: StochasticWeightAveraging changes what is learnt/,
  ],
  ['trainer: {callbacks: [Timer]}', 'unsupported', /Timer changes/],
  [
    'trainer: {enable_checkpointing: false, callbacks: [ModelCheckpoint]}',
    'bad_input',
    /a ModelCheckpoint beside trainer\.enable_checkpointing: false/,
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
    /train_time_interval: is not built/,
  ],
  ['optimizer: {init_args: {amsgrad: true}}', 'unsupported', /amsgrad: is not built/],
  ['ckpt_path: lightning_logs/version_0/checkpoints/last.ckpt', 'unsupported', /\.ckpt files are not read/],
  ['ckpt_path: best', 'unsupported', /"best" is not built/],
  [
    'data: {inference_datasets: [{run_path_or_id: b.run, sampling_strategy: random}]}',
    'unsupported',
    /validation takes the top of a run, not "random"/,
  ],
  [
    'data: {inference_datasets: [{run_path_or_id: b.run, add_docs_not_in_ranking: true}]}',
    'unsupported',
    /validation takes the documents of the run/,
  ],
];

for (const [yaml, code, message] of REFUSED) {
  test(`${yaml.replaceAll('\n', '; ')} is refused`, async () => {
    const loaded = await load([BASE, yaml]);
    let error: unknown;
    try {
      planFit(loaded);
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

for (const name of ['pre-finetune', 'finetune']) {
  const path = sharedPath(`seed/configs/${name}.yaml`);
  if (!path) continue;
  test(`the paper's ${name}.yaml makes a plan as it is`, async () => {
    const found = planFit(await loadConfig([{ kind: 'file', path }]));
    assert.is(found.seed, 42);
    assert.is(found.batchSize, 32);
    assert.is(found.trainer.precision, 'bf16-mixed');
    assert.is(found.overrides.docLength, 256);
    assert.is(found.optimizer.lr, 1e-5);
    const first = name === 'pre-finetune';
    assert.is(found.losses[0]?.classPath, first ? 'InfoNCE' : 'RankNet');
    assert.is(found.trainer.maxSteps, first ? 20_000 : undefined);
    assert.is(found.trainer.maxEpochs, first ? undefined : 3);
    assert.is(found.train.kind, 'run');
  });
}

test.run();
