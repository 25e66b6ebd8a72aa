import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkInferenceOptions } from '../../src/data/run-options.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import type { RankDistillmError } from '../../src/errors.js';
import { fit, type FitOptions } from '../../src/index.js';
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
  ['CrossEncoder.load', () => CrossEncoder.load(model, { presicion: 'x' } as object), 'presicion', /"precision"/],
  ['TrainableModel.load', () => TrainableModel.load(model, { thread: 2 } as object), 'thread', /"threads"/],
  ['a.run', () => checkInferenceOptions({ runPathOrId: 'a.run', dept: 5 } as never, 'a.run'), 'dept', /"depth"/],
  ['fit', () => fit({ ...fitting, optimiser: {} } as never), 'optimiser', /"optimizer"/],
  ['fit: trainer', () => fit({ ...fitting, trainer: { maxEpoch: 1 } as object }), 'maxEpoch', /"maxEpochs"/],
  ['fit: trainer', () => fit({ ...fitting, trainer: { timed: true } as object }), 'timed', /option/],
  [
    'fit: train',
    () => fit({ ...fitting, train: { ...fitting.train, batch_size: 1 } as never }),
    'batch_size',
    /batchSi/,
  ],
  ['fit: optimizer', () => fit({ ...fitting, optimizer: { weightDecy: 1 } as object }), 'weightDecy', /"weightDecay"/],
  ['fit: checkpoints', () => fit({ ...fitting, checkpoints: [{ saveTop: 1 } as object] }), 'saveTop', /"saveTopK"/],
  [
    'fit: earlyStopping',
    () => fit({ ...fitting, earlyStopping: [{ monitor: 'loss', patiense: 1 } as never] }),
    'patiense',
    /"patience"/,
  ],
];

for (const [call, run, name, hint] of CASES) {
  test(`${call}: ${name}`, async () => {
    const error = await errorOf(run);
    assert.is(error.code, 'bad_input');
    assert.is(error.message, `${call}: unknown option '${name}'`);
    assert.match(error.hint!, hint);
  });
}

test('score and rank', async () => {
  await using encoder = await CrossEncoder.load(model);
  const scoring = await errorOf(() => encoder.score([], { activaton: 'sigmoid' } as object));
  assert.is(scoring.message, "score: unknown option 'activaton'");
  const ranking = await errorOf(() => encoder.rank('a', [], { topk: 3 } as object));
  assert.is(ranking.message, "rank: unknown option 'topk'");
  assert.is(ranking.hint, 'The nearest known option is "topK".');
});

test.run();
