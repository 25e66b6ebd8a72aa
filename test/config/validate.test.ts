import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readPrecision } from '../../src/config/precision.js';
import { docsPage } from '../../src/errors.js';
import { failure, load } from '../support/config.js';

const test = suite('config validate');

test('an unknown key is named with file, line and the nearest known key', async () => {
  assert.equal(await failure(['trainer:\n  logger: false\n  prescision: 32\n']), {
    code: 'bad_input',
    message: '0.yaml:3: unknown key "prescision" in trainer',
    hint: 'The nearest known key is "precision".',
  });
});

test('an error of an option names it once', async () => {
  const error = await failure([], [['--trainer.max_steps', 'many']]);
  assert.match(error.message, /^--trainer\.max_steps: expected .*received the text "many"$/);
});

test('a misspelt option is told from a key', async () => {
  const error = await failure([], [['--confg', 'x.yaml']]);
  assert.is(error.message, '--confg: unknown option or key "confg"');
  assert.is(error.hint, 'The nearest known key is "config".');
});

test('a word that is like no known one is not taken for one', async () => {
  const foo = await failure(['trainer: {callbacks: [Foo]}']);
  assert.match(foo.hint!, /^Known: .*ReRankCallback|^No known class is like it; see \S+docs\/cli\.md\.$/);
  assert.match((await failure([], [['--data.depth', '5']])).hint!, /^Known: .*train_batch_size/);
});

test('the hint for a wrong mapping does not print all of its keys', async () => {
  assert.is((await failure(['trainer: 5'])).hint, `Fix the value; ${docsPage('cli')} lists every key with its type.`);
});

test('an id that ends in + is no list that is added to', async () => {
  const { config } = await load(['datasets: {"c++": {docs: a.tsv}}']);
  assert.is(config.datasets['c++']?.docs, 'a.tsv');
});

test('the line belongs to the file that holds the key', async () => {
  const error = await failure(['trainer: {precision: 32}\n', '\n\ndata:\n  inference_batchsize: 3\n']);
  assert.is(error.message, '1.yaml:4: unknown key "inference_batchsize" in data.init_args (LightningIRDataModule)');
  assert.is(error.hint, 'The nearest known key is "inference_batch_size".');
});

test('a wrong type is named with file, line, key, expected and received', async () => {
  const error = await failure([
    'data:\n  class_path: LightningIRDataModule\n  init_args:\n    inference_batch_size: many\n',
  ]);
  assert.is(
    error.message,
    '0.yaml:4: data.init_args.inference_batch_size: expected a whole number of at least 1, or null, received the text "many"',
  );
});

const WRONG: [what: string, yaml: string, message: RegExp][] = [
  [
    'a float for a whole number',
    'data: {inference_batch_size: 1.5}',
    /expected a whole number.*received the number 1\.5/,
  ],
  ['a number for text', 'model: {model_name_or_path: 3}', /expected text, or null, received the number 3/],
  ['text for a boolean', 'seed_everything: maybe', /received the text "maybe"/],
  ['a list for a group', 'trainer: [1]', /trainer: expected a mapping, received a list/],
  ['a scalar for the whole file', 'hello', /expected a mapping, received the text "hello"/],
  ['a list for the whole file', '- 1', /expected a mapping, received a list/],
  [
    'a depth of 0',
    'data: {inference_datasets: [{run_path_or_id: a, depth: 0}]}',
    /depth: expected -1 or a whole number/,
  ],
  [
    'an unknown strategy',
    'data: {inference_datasets: [{run_path_or_id: a, sampling_strategy: best}]}',
    /expected one of top/,
  ],
  ['a missing argument', 'data: {inference_datasets: [RunDataset]}', /RunDataset needs the key "run_path_or_id"/],
  ['an unknown class', 'model: {config: MonoConfg}', /unknown class "MonoConfg"/],
  ['a key beside class_path', 'model: {class_path: CrossEncoderModule, evaluation_metrics: [AP]}', /beside class_path/],
  ['a class_path that is a list', 'model: {class_path: [a]}', /class_path: expected the name of a class/],
  [
    'init_args that are a list',
    'model: {class_path: CrossEncoderModule, init_args: [a]}',
    /init_args: expected a mapping/,
  ],
  ['+ on a value', 'trainer: {precision+: 32}', /trainer\.precision is not a list/],
  ['a key twice', 'trainer: {}\ntrainer: {}', /0\.yaml:2: the key "trainer" is set twice/],
  ['a second document', 'trainer: {}\n---\ntrainer: {}', /0\.yaml:2: a second document begins/],
  ['a tab', 'trainer:\n\tprecision: 32', /0\.yaml:2/],
  ['an unknown anchor', 'trainer: *nothing', /nothing/],
  ['an anchor within itself', 'trainer: &a {logger: *a}', /anchor contains itself/],
  ['an anchor without a mapping to inherit', 'trainer: {<<: }', /"<<" needs a mapping/],
  ['a nest', `trainer: ${'['.repeat(200)}${']'.repeat(200)}`, /nested more than 100 levels/],
  ['a deep nest', `trainer: ${'['.repeat(20_000)}`, /deep|stack|exhaust/i],
  [
    'a billion laughs',
    Array.from({ length: 9 }, (_, i) => `k${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`)
      .join('\n')
      .replace(/\*a0/g, 'ha'),
    /more than 100000 values/,
  ],
  ['a Python tag', 'trainer: !!python/object:os.system {}', /tag/i],
  ['a loss without class', 'model: {loss_functions: [{temperature: 1}]}', /the class is missing/],
  [
    'a negative learning rate',
    'optimizer: {class_path: AdamW, init_args: {lr: -1}}',
    /lr: expected a number of at least 0/,
  ],
];

for (const [what, yaml, message] of WRONG) {
  test(`${what} is refused`, async () => {
    const error = await failure([yaml]);
    assert.is(error.code, 'bad_input');
    assert.match(error.message, /^0\.yaml:\d+: /);
    assert.match(error.message, message);
    assert.ok(error.hint);
  });
}

const UNSUPPORTED: [yaml: string, message: RegExp][] = [
  ['model: lightning_ir.BiEncoderModule', /bi-encoders are not part/],
  ['model: {config: SetEncoderConfig}', /set-encoders are not part/],
  ['optimizer: torch.optim.SGD', /AdamW is the one optimizer/],
  ['trainer: {callbacks: [my_module.MyCallback]}', /cannot load the Python class "my_module.MyCallback"/],
];

for (const [yaml, message] of UNSUPPORTED) {
  test(`${yaml} is refused as unsupported`, async () => {
    const error = await failure([yaml]);
    assert.is(error.code, 'unsupported');
    assert.match(error.message, message);
    assert.ok(error.hint);
  });
}

test('keys of Lightning that mean nothing here are listed with their places, unless they have its defaults', async () => {
  const { ignored } = await load([
    'trainer:\n  logger: false\n  sync_batchnorm: true\n  benchmark: null\n  callbacks: [{class_path: ModelSummary, init_args: {max_depth: 2}}, TQDMProgressBar]\ndata: {num_workers: 4}\n',
  ]);
  assert.equal(
    ignored.map((text) => text.replace(/\(\S*\//, '(')),
    [
      'trainer.callbacks.0.init_args.max_depth (0.yaml:5)',
      'trainer.sync_batchnorm (0.yaml:3)',
      'data.init_args.num_workers (0.yaml:6)',
    ],
  );
});

test('an anchor bomb is refused', async () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 9; level++) {
    lines.push(
      `a${level}: &a${level} [${Array(10)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
    );
  }
  assert.match((await failure([lines.join('\n')])).message, /more than 100000 values|Excessive alias/);
});

test('precision names are those of Lightning', () => {
  assert.equal(
    [null, 32, '32', '32-true', 'bf16', 'bf16-mixed', 'bf16-true', 'int8'].map((name) => readPrecision(name, [])),
    ['32-true', '32-true', '32-true', '32-true', 'bf16-mixed', 'bf16-mixed', 'bf16-true', 'int8'],
  );
  for (const name of [16, '16', '16-mixed', '16-true', 64, 'transformer-engine']) {
    assert.throws(
      () => readPrecision(name, ['trainer', 'precision']),
      (error: Error) => /^options\.trainer\.precision: precision .* is not supported/.test(error.message),
    );
  }
  assert.is(readPrecision('int8', [], 'cpu'), 'int8');
  assert.throws(
    () => readPrecision('int8', ['precision'], 'cuda:0'),
    /options\.precision: precision int8 runs on CPUs/,
  );
});

test.run();
