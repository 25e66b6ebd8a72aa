import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkRunOptions } from '../../src/data/run-options.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { docsPage, type RankDistillmError } from '../../src/errors.js';
import { fit, type FitOptions } from '../../src/index.js';
import { failure } from '../support/config.js';
import { modelFolder } from '../support/models.js';

const test = suite('names of options');

async function errorOf(run: () => unknown): Promise<RankDistillmError> {
  try {
    await run();
  } catch (error) {
    return error as RankDistillmError;
  }
  return assert.unreachable('accepted') as never;
}

const model = modelFolder();
const fitting = { model, train: { dataset: {}, batchSize: 1 }, losses: [] } as unknown as FitOptions;

const CASES: [call: string, run: () => unknown, message: string, hint: RegExp][] = [
  ['options', () => CrossEncoder.load(model, { presicion: 'x' } as object), 'presicion', /"precision"/],
  ['options', () => TrainableModel.load(model, { thread: 2 } as object), 'thread', /"threads"/],
  ['options', () => checkRunOptions({ runPathOrId: 'a.run', dept: 5 } as never), 'dept', /"depth"/],
  // the name that the key has in a configuration
  [
    'options',
    () => checkRunOptions({ run_path_or_id: 'a.run', dataset: 'x' } as never),
    'run_path_or_id',
    /"runPathOrId"/,
  ],
  ['options.trainer', () => fit({ ...fitting, trainer: { max_epochs: 1 } as object }), 'max_epochs', /"maxEpochs"/],
  ['options', () => fit({ ...fitting, optimiser: {} } as never), 'optimiser', /"optimizer"/],
  ['options.trainer', () => fit({ ...fitting, trainer: { maxEpoch: 1 } as object }), 'maxEpoch', /"maxEpochs"/],
  ['options.trainer', () => fit({ ...fitting, trainer: { timed: true } as object }), 'timed', /option/],
  [
    'options.train',
    () => fit({ ...fitting, train: { ...fitting.train, batchSiz: 1 } as never }),
    'batchSiz',
    /"batchSize"/,
  ],
  [
    'options.optimizer',
    () => fit({ ...fitting, optimizer: { weightDecy: 1 } as object }),
    'weightDecy',
    /"weightDecay"/,
  ],
  [
    'options.checkpoints.0',
    () => fit({ ...fitting, checkpoints: [{ saveTop: 1 } as object] }),
    'saveTop',
    /"saveTopK"/,
  ],
  [
    'options.earlyStopping.1',
    () => fit({ ...fitting, earlyStopping: [{ monitor: 'loss' }, { monitor: 'loss', patiense: 1 } as never] }),
    'patiense',
    /"patience"/,
  ],
];

for (const [call, run, name, hint] of CASES) {
  test(`${call}: ${name}`, async () => {
    const error = await errorOf(run);
    assert.is(error.code, 'bad_input');
    assert.is(error.message, `${call}: unknown option "${name}"`);
    assert.match(error.hint!, hint);
  });
}

test('score and rank', async () => {
  await using encoder = await CrossEncoder.load(model);
  const scoring = await errorOf(() => encoder.score([], { activaton: 'sigmoid' } as object));
  assert.is(scoring.message, 'options: unknown option "activaton"');
  const ranking = await errorOf(() => encoder.rank('a', [], { topk: 3 } as object));
  assert.is(ranking.message, 'options: unknown option "topk"');
  assert.is(ranking.hint, 'The nearest known option is "topK".');
});

test('no list, no options', async () => {
  await using encoder = await CrossEncoder.load(model);
  const lone = await errorOf(() => encoder.rank('a', 'b' as never));
  assert.is(lone.message, "documents: expected an array, received 'b'");
  const none = await errorOf(() => encoder.score(undefined as never));
  assert.is(none.message, 'pairs: expected an array, received undefined');
  const options = await errorOf(() => CrossEncoder.load(model, null as never));
  assert.is(options.message, 'options: expected a mapping, received null');
  assert.is(options.hint, `Fix the value; ${docsPage('api')} describes the options.`);
});

const VALUES: [options: object, message: string][] = [
  [
    { trainer: { maxSteps: -3 } },
    'options.trainer.maxSteps: expected a whole number of at least -1, received the number -3',
  ],
  [{ optimizer: { lr: 'fast' } }, 'options.optimizer.lr: expected a number of at least 0, received the text "fast"'],
  [
    { checkpoints: [{ saveTopK: 2 }] },
    'options.checkpoints.0.saveTopK: without monitor nothing says which 2 checkpoints are the best',
  ],
  [{ earlyStopping: [{}] }, 'options.earlyStopping.0: needs the option "monitor"'],
  [
    { trainer: { gradientClipAlgorithm: 'value' } },
    'options.trainer.gradientClipAlgorithm: is set without gradientClipVal',
  ],
  [{ losses: 'RankNet' }, 'options.losses: expected a list, received the text "RankNet"'],
  [{ loggers: 5 }, 'options.loggers: expected a list, received the number 5'],
  [{ onStep: true }, 'options.onStep: expected a function, received true'],
  [{ lrScheduler: 5 }, 'options.lrScheduler: expected an object or a function, received the number 5'],
  [{ signal: {} }, 'options.signal: expected an AbortSignal, received [object Object]'],
  [{ trainer: { precision: 'int8' } }, 'options.trainer.precision: int8 does not train: AdamW needs float32 weights'],
];

for (const [options, message] of VALUES) {
  test(message, async () => {
    const error = await errorOf(() => fit({ ...fitting, ...options }));
    assert.is(error.code, message.includes('int8') ? 'unsupported' : 'bad_input');
    assert.is(error.message, message);
    assert.ok(error.hint);
  });
}

for (const [option, hint] of [
  ['--max_steps', '--trainer.max_steps'],
  ['--label', '--model.label'],
  ['--train_batch_size', '--data.train_batch_size'],
  ['--doc_length', '--model.config.doc_length'],
  ['--depth', '--data.inference_datasets.depth or --data.train_dataset.depth'],
  ['--save_dir', '--trainer.callbacks.save_dir'],
] as const) {
  test(`${option} without its section is told the section`, async () => {
    const error = await failure([], [[option, '5']]);
    assert.is(error.message, `${option}: unknown option or key "${option.slice(2)}"`);
    assert.is(error.hint, `The key is in a section: ${hint}.`);
  });
}

test.run();
