import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import type { RankDistillmError } from '../../src/errors.js';
import { createLoss } from '../../src/loss/create-loss.js';
import { Trainer } from '../../src/train/trainer.js';
import { expectedPairs, modelFolder } from '../support/models.js';
import { withPlayedBytes } from '../support/devices.js';
import { OTHER_BLOCKS, relativeDistance } from '../support/tolerances.js';

const test = suite("a device's memory runs out");

const PLENTY = 2 ** 33;
/** What the weights of the tests' model take, and with gradients, moments and copies. */
const WEIGHTS = 62_400;
const TRAINED_WEIGHTS = 280_800;
/** Less than 512 tokens need on their way through it, more than a sequence. */
const SHORT = WEIGHTS + 100_000;
/** Less than 60 pairs need that are kept for their backward. */
const SHORT_TRAINING = TRAINED_WEIGHTS + 500_000;

async function errorOf(run: Promise<unknown>): Promise<RankDistillmError> {
  return run.then(
    () => assert.unreachable('no error'),
    (error: unknown) => error as RankDistillmError,
  ) as Promise<RankDistillmError>;
}

async function manyPairs() {
  const pairs = await expectedPairs();
  return Array.from({ length: 60 }, (_, i) => ({
    query: `${i} ${pairs[0]!.query}`,
    document: pairs[i % pairs.length]!.document,
  }));
}

test('a model that does not fit says what it needs and what is free', async () => {
  const error = await withPlayedBytes(1000, () => errorOf(CrossEncoder.load(modelFolder(), { device: 'cuda' })));
  assert.is(error.code, 'out_of_memory');
  assert.match(error.message, /the model needs \d+\.\d\d MB on cuda:0, of whose 0\.00 MB this process can have 0/);
  assert.match(error.hint!, /smaller model/);
  const training = await withPlayedBytes(1000, () => errorOf(TrainableModel.load(modelFolder(), { device: 'cuda' })));
  assert.is(training.code, 'out_of_memory');
});

/** 60 pairs in memory for `bytes`; they need several blocks in any case. */
async function scoreWith(bytes: number) {
  const warnings: string[] = [];
  const scores = await withPlayedBytes(bytes, async () => {
    await using model = await CrossEncoder.load(modelFolder(), {
      device: 'cuda',
      onWarning: (message) => warnings.push(message),
    });
    const pairs = await manyPairs();
    await model.score(pairs.slice(0, 30));
    return model.score(pairs);
  });
  return { scores, warnings };
}

test('scoring goes on in halved blocks, with one warning', async () => {
  const enough = await scoreWith(PLENTY);
  assert.equal(enough.warnings, []);
  const short = await scoreWith(SHORT);
  assert.is(short.warnings.length, 1);
  assert.match(short.warnings[0]!, /^cuda:0: memory ran out; blocks now have at most \d+ tokens/);
  short.scores.forEach((score, i) => assert.ok(Math.abs(score - enough.scores[i]!) <= OTHER_BLOCKS.score, `pair ${i}`));
});

test('a sequence that does not fit by itself is an error that says so', async () => {
  const error = await withPlayedBytes(WEIGHTS + 1000, async () => {
    await using model = await CrossEncoder.load(modelFolder(), { device: 'cuda' });
    return errorOf(model.score(await expectedPairs()));
  });
  assert.is(error.code, 'out_of_memory');
  assert.match(error.message, /^cuda:0: a single sequence of \d+ tokens does not fit into the \d/);
});

/** Gradients of RankNet over 60 pairs. */
async function trainWith(bytes: number) {
  const warnings: string[] = [];
  const found = await withPlayedBytes(bytes, async () => {
    await using model = await TrainableModel.load(modelFolder(), {
      device: 'cuda',
      onWarning: (message) => warnings.push(message),
    });
    const trainer = new Trainer(model, { losses: [createLoss('RankNet')], tokenBudget: 1_000_000 });
    const pairs = await manyPairs();
    const docs = pairs.map(({ document }) => document);
    const docIds = docs.map((_, i) => String(i));
    const sample = { queryId: '1', query: 'what is a run', docs, docIds, targets: docs.map((_, i) => i % 7) };
    const { nonFinite } = await trainer.backward(await trainer.encode([sample]));
    assert.is(nonFinite, undefined);
    return {
      gradient: await model.native.read('gradients', 0, model.native.size),
      budget: trainer.tokenBudget,
      bytesPerToken: model.native.bytesPerToken,
      tokens: (await trainer.encode([sample])).pairs.reduce((sum, pair) => sum + pair.inputIds.length, 0),
    };
  });
  return { ...found, warnings };
}

test('training goes on in halved parts that give the same gradient', async () => {
  const enough = await trainWith(PLENTY);
  const short = await trainWith(SHORT_TRAINING);
  assert.equal([enough.warnings.length, enough.budget], [0, 1_000_000]);
  assert.is(short.warnings.length, 1);
  assert.ok(short.budget < 1000, `the budget is still ${short.budget}`);
  const off = relativeDistance(short.gradient, enough.gradient);
  assert.ok(off <= OTHER_BLOCKS.gradient, `off by ${off} of the norm`);
});

test('training leaves room for a gradient of its largest weight, on its way', async () => {
  const { bytesPerToken, tokens } = await trainWith(PLENTY);
  const { hiddenSize } = (await loadCheckpoint(modelFolder())).encoder;
  const largest = 4 * 3 * hiddenSize ** 2; // queries, keys and values; the words' are fewer in this model
  const activations = TRAINED_WEIGHTS + tokens * bytesPerToken;
  assert.is((await trainWith(activations + largest)).warnings.length, 0);
  assert.is((await trainWith(activations)).warnings.length, 1);
});

test.run();
