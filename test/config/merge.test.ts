import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Share } from '../../src/config/share.js';
import { load, runArguments } from '../support/config.js';

const test = suite('config merge');

const BASE = `
trainer:
  precision: bf16-mixed
  callbacks:
    - class_path: ReRankCallback
      init_args:
        save_dir: a
data:
  class_path: LightningIRDataModule
  init_args:
    inference_batch_size: 4
    inference_datasets:
      - class_path: RunDataset
        init_args:
          run_path_or_id: a.run
          depth: 1_00
model:
  class_path: CrossEncoderModule
  init_args:
    config:
      class_path: CrossEncoderConfig
      init_args:
        query_length: 16
        doc_length: 256
`;

const SECOND = `
trainer:
  callbacks:
    - class_path: RegisterLocalDatasetCallback
      init_args:
        dataset_id: x
data:
  init_args:
    inference_datasets:
      - class_path: RunDataset
        init_args:
          run_path_or_id: b.run
model:
  init_args:
    config:
      class_path: MonoConfig
      init_args:
        doc_length: 200
`;

const THIRD = `
trainer:
  callbacks+:
    - class_path: ReRankCallback
data:
  init_args:
    inference_batch_size: 10
`;

test('numbers and truth values in quotes are read where a key wants them, as jsonargparse does', async () => {
  const { config } = await load([
    [
      "trainer: {max_steps: '10', limit_val_batches: '0.5', limit_train_batches: '2', enable_progress_bar: 'no'}",
      "optimizer: {class_path: AdamW, init_args: {lr: '1e-5', betas: ['0.9', 0.99]}}",
      "model: {model_name_or_path: '123', loss_functions: [[RankNet, '0.5']]}",
      "data: {inference_batch_size: '8', inference_datasets: [{run_path_or_id: '7', depth: '5'}]}",
    ].join('\n'),
  ]);
  const { trainer, optimizer, model, data } = config;
  assert.is(trainer.max_steps, 10);
  assert.equal(trainer.limit_val_batches, new Share(0.5));
  assert.is(trainer.limit_train_batches, 2);
  assert.is(trainer.enable_progress_bar, false);
  assert.equal(optimizer?.init_args.betas, [0.9, 0.99]);
  assert.is(optimizer?.init_args.lr, 1e-5);
  assert.is(model?.init_args.model_name_or_path, '123');
  assert.match(JSON.stringify(model?.init_args.loss_functions), /RankNet.*0\.5\]/);
  assert.is(data?.init_args.inference_batch_size, 8);
  assert.is(runArguments(data?.init_args.inference_datasets?.[0]).run_path_or_id, '7');
  assert.is(runArguments(data?.init_args.inference_datasets?.[0]).depth, 5);
});

/** What `lightning-ir re_rank --print_config` 0.0.6 prints for the same three files and options. */
test('three files and overrides merge as in lightning-ir', async () => {
  const { config } = await load(
    [BASE, SECOND, THIRD],
    [
      ['--model.model_name_or_path', 'foo'],
      ['--trainer.callbacks+', 'ReRankCallback'],
      ['--trainer.callbacks.init_args.save_dir', 'zz'],
      ['--trainer.callbacks.run_name', 'q'],
    ],
  );
  assert.equal(
    config.trainer.callbacks?.map((callback) => [callback.class_path, callback.init_args]),
    [
      [
        'RegisterLocalDatasetCallback',
        { dataset_id: 'x', docs: null, queries: null, qrels: null, docpairs: null, scoreddocs: null },
      ],
      ['ReRankCallback', { save_dir: null, run_name: null, overwrite: false, refine: null }],
      ['ReRankCallback', { save_dir: 'zz', run_name: 'q', overwrite: false, refine: null }],
    ],
  );
  const data = config.data?.init_args;
  assert.is(data?.inference_batch_size, 10);
  assert.is(data?.inference_datasets?.length, 1);
  // The item keeps the depth of the file before: lists of equal length merge item by item.
  assert.is(runArguments(data?.inference_datasets?.[0]).run_path_or_id, 'b.run');
  assert.is(runArguments(data?.inference_datasets?.[0]).depth, 100);
  const model = config.model?.init_args;
  assert.is(model?.model_name_or_path, 'foo');
  assert.is(model?.config?.class_path, 'MonoConfig');
  assert.is(model?.config?.init_args.query_length, 16);
  assert.is(model?.config?.init_args.doc_length, 200);
  assert.is(config.trainer.precision, 'bf16-mixed');
});

const TWO = `
data:
  class_path: lightning_ir.LightningIRDataModule
  init_args:
    inference_datasets:
    - class_path: lightning_ir.RunDataset
      init_args: {run_path_or_id: one.run}
    - class_path: RunDataset
      init_args: {run_path_or_id: "3", depth: 20}
`;

test('an appended item starts from defaults, as in lightning-ir', async () => {
  const { config } = await load(
    [TWO],
    [
      ['--data.inference_datasets+', 'RunDataset'],
      ['--data.inference_datasets.run_path_or_id', 'z.run'],
    ],
  );
  const depths = config.data?.init_args.inference_datasets?.map((item) => [
    runArguments(item).run_path_or_id,
    runArguments(item).depth,
  ]);
  assert.equal(depths, [
    ['one.run', -1],
    ['3', 20],
    ['z.run', -1],
  ]);
});

test('a list of another length replaces the list, as in lightning-ir', async () => {
  const { config } = await load(
    [TWO],
    [
      ['--data.inference_datasets', '[{class_path: RunDataset, init_args: {run_path_or_id: x}}]'],
      ['--model.config', 'MonoConfig'],
      ['--model.init_args.config.init_args.query_length', '7'],
      ['--data.inference_batch_size', '4'],
      ['--trainer.callbacks', '[ReRankCallback]'],
    ],
  );
  assert.equal(
    config.data?.init_args.inference_datasets?.map((item) => [
      runArguments(item).run_path_or_id,
      runArguments(item).depth,
    ]),
    [['x', -1]],
  );
  assert.is(config.model?.init_args.config?.init_args.query_length, 7);
  assert.is(config.data?.init_args.inference_batch_size, 4);
  assert.equal(
    config.trainer.callbacks?.map((callback) => callback.class_path),
    ['ReRankCallback'],
  );
});

test('a list item is reached by its number', async () => {
  const { config } = await load([TWO], [['--data.init_args.inference_datasets.0.init_args.depth', '5']]);
  assert.equal(
    config.data?.init_args.inference_datasets?.map((item) => runArguments(item).depth),
    [5, 20],
  );
});

test('a change of class keeps the arguments both classes know', async () => {
  const { config } = await load(
    [
      'lr_scheduler: {class_path: LinearLRSchedulerWithLinearWarmup, init_args: {num_warmup_steps: 5, final_value: 0.1}}',
    ],
    [['--lr_scheduler', 'ConstantLRSchedulerWithLinearWarmup']],
  );
  assert.equal(config.lr_scheduler, {
    class_path: 'ConstantLRSchedulerWithLinearWarmup',
    init_args: { num_warmup_steps: 5, num_delay_steps: 0 },
  });
});

test('bare strings, weights and module prefixes name classes', async () => {
  const { config } = await load([
    `
model:
  loss_functions:
    - lightning_ir.RankNet
    - lightning_ir.loss.ApproxRankMSE
    - [{class_path: InfoNCE}, 0.5]
optimizer: torch.optim.AdamW
`,
  ]);
  assert.equal(config.model?.init_args.loss_functions, [
    { class_path: 'RankNet', init_args: { temperature: 1 } },
    { class_path: 'ApproxRankMSE', init_args: { temperature: 1, discount: null } },
    [{ class_path: 'InfoNCE', init_args: {} }, 0.5],
  ]);
  assert.is(config.optimizer?.class_path, 'AdamW');
  assert.is(config.optimizer?.init_args.lr, 1e-3);
});

test('text keys take the option as typed', async () => {
  const { config } = await load(
    [TWO],
    [
      ['--model.model_name_or_path', '00123'],
      ['--data.inference_datasets.0.run_path_or_id', 'yes'],
      ['--data.inference_datasets.1.run_path_or_id', 'a: b: c'],
    ],
  );
  assert.is(config.model?.init_args.model_name_or_path, '00123');
  assert.equal(
    config.data?.init_args.inference_datasets?.map((item) => runArguments(item).run_path_or_id),
    ['yes', 'a: b: c'],
  );
});

test('null takes a value back', async () => {
  const { config } = await load([BASE], [['--model.config', 'null']]);
  assert.is(config.model?.init_args.config, null);
});

test('datasets may have dots in their ids', async () => {
  const { config } = await load(['datasets: {a/b: {docs: d.tsv}}'], [['--datasets.my/v1.5.docs', 'x.tsv']]);
  assert.equal(Object.keys(config.datasets), ['a/b', 'my/v1.5']);
  assert.is(config.datasets['my/v1.5']?.docs, 'x.tsv');
});

test('anchors and merge keys work', async () => {
  const { config } = await load([
    `
datasets:
  one: &files {docs: d.tsv, queries: q.tsv}
  two:
    <<: *files
    queries: other.tsv
`,
  ]);
  assert.is(config.datasets['two']?.docs, 'd.tsv');
  assert.is(config.datasets['two']?.queries, 'other.tsv');
});

test.run();
