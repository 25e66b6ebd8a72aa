import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { NativeTrainer } from '../../binding.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { TrainableModel, type TrainableModelOptions } from '../../src/engine/trainable-model.js';
import { createLoss } from '../../src/loss/create-loss.js';
import type { ScoreMatrix } from '../../src/loss/loss.js';
import { cachedPass } from '../../src/train/gradient-cache.js';
import { inFolder } from '../support/files.js';
import { copyModel, expectedPairs, modelFolder } from '../support/models.js';
import { TOLERANCES, norm, relativeDistance } from '../support/tolerances.js';

const test = suite('gradient caching');

const BOUNDS = TOLERANCES.auto.float32;
const QUERIES = 3;
const DOCS = 7;

/** A model that drops a tenth of what can be dropped; the references are made without. */
function withDropout<T>(
  name: string,
  use: (model: TrainableModel) => Promise<T>,
  options: TrainableModelOptions = {},
): Promise<T> {
  return inFolder(async (folder) => {
    await copyModel(folder, name);
    const path = join(folder, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    const rates = { hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1, classifier_dropout: 0.1 };
    await writeFile(path, JSON.stringify({ ...config, ...rates }));
    await using model = await TrainableModel.load(folder, { ...options, onWarning: () => undefined });
    return await use(model);
  });
}

async function batch() {
  const texts = await expectedPairs();
  return Array.from({ length: QUERIES * DOCS }, (_, i) => ({
    query: texts[Math.floor(i / DOCS) % texts.length]!.query,
    document: texts[i % texts.length]!.document,
  }));
}

/** All gradients of RankNet over the batch, parts of at most so many tokens held at a time. */
async function gradients(model: TrainableModel, tokenBudget: number, step = 5) {
  const pairs = await model.tokenizer.encodePairs(await batch());
  const matrix = (values: Float64Array): ScoreMatrix => ({ queries: QUERIES, docs: DOCS, values });
  const targets = matrix(Float64Array.from({ length: QUERIES * DOCS }, (_, i) => (i * 5) % DOCS));
  const loss = createLoss('RankNet');
  const pass = await cachedPass(
    model.native,
    pairs,
    (scores) => Float32Array.from(loss.compute(matrix(Float64Array.from(scores)), targets).gradient),
    { step, budget: { tokens: tokenBudget, partTokens: model.native.tokensPerPart } },
  );
  const gradient = await model.native.read('gradients', 0, model.native.size);
  await model.native.zeroGradients();
  return { gradient, ...pass };
}

for (const name of ['mono-rank', 'mono-mean', 'electra-classification', 'mono-bert-pool']) {
  test(`${name}: parts of 1 pair, of 7 pairs and the whole batch give one gradient, dropout on`, () =>
    withDropout(name, async (model) => {
      const whole = await gradients(model, 1e9);
      assert.is(whole.passes, 1);
      const sevenPairs = Math.ceil((whole.tokens / (QUERIES * DOCS)) * 7);
      for (const tokenBudget of [1, sevenPairs]) {
        const divided = await gradients(model, tokenBudget);
        assert.is(divided.passes, 2);
        const off = relativeDistance(divided.gradient, whole.gradient);
        assert.ok(off <= BOUNDS.gradient, `${tokenBudget} tokens: off by ${off} of the norm`);
      }
    }));
}

test('masks follow from the step: the same step gives the same bits, another step others', () =>
  withDropout('mono-rank', async (model) => {
    const first = await gradients(model, 1e9, 1);
    const again = await gradients(model, 1e9, 1);
    const other = await gradients(model, 1e9, 2);
    assert.equal(again.scores, first.scores);
    assert.equal(again.gradient, first.gradient);
    assert.not.equal(other.scores, first.scores);
  }));

for (const name of ['mono-rank', 'mono-mean']) {
  test(`${name}: scores and gradients have the same bits with 1, 2 and 5 threads`, async () => {
    const at = (threads: number) => withDropout(name, (model) => gradients(model, 1e9), { device: 'cpu', threads });
    const one = await at(1);
    for (const threads of [2, 5]) {
      const more = await at(threads);
      assert.equal(more.scores, one.scores);
      assert.equal(more.gradient, one.gradient);
    }
  });
}

test('evaluation drops nothing: scores are those of the engine that re-ranks', () =>
  withDropout('mono-rank', async (model) => {
    const pairs = await batch();
    await using ranker = await CrossEncoder.load(modelFolder());
    const expected = await ranker.score(pairs);
    const scores: number[] = [];
    for await (const window of model.scoreWindows(pairs)) scores.push(...window.scores);
    scores.forEach((score, i) => assert.ok(Math.abs(score - expected[i]!) <= BOUNDS.otherEngine, `pair ${i}`));
  }));

test('a loss without a gradient lets go of what was kept', async () => {
  await using model = await TrainableModel.load(modelFolder(), { onWarning: () => undefined });
  const pairs = await model.tokenizer.encodePairs(await batch());
  await cachedPass(model.native, pairs, () => undefined, {
    step: 0,
    budget: { tokens: 1e9, partTokens: model.native.tokensPerPart },
  });
  assert.is(norm(await model.native.read('gradients', 0, model.native.size)), 0);
});

test('a loss that throws lets go of what was kept', async () => {
  await using model = await TrainableModel.load(modelFolder(), { onWarning: () => undefined });
  const { native } = model;
  const pairs = await model.tokenizer.encodePairs(await batch());
  const kept: number[] = [];
  const watched: Pick<NativeTrainer, 'forward' | 'backward' | 'discard'> = {
    forward: async (...args) => {
      const result = await native.forward(...args);
      kept.push(result.kept);
      return result;
    },
    backward: (...args) => native.backward(...args),
    discard: (name) => native.discard(name),
  };
  const pass = cachedPass(
    watched as NativeTrainer,
    pairs,
    () => {
      throw new Error('no loss');
    },
    { step: 0, budget: { tokens: 1e9, partTokens: 100 } },
  );
  const messageOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'done',
      (error: Error) => error.message,
    );
  assert.is(await messageOf(pass), 'no loss');
  assert.ok(kept.length > 1);
  for (const name of kept) assert.match(await messageOf(native.backward(name, new Float32Array(1))), /nothing is kept/);
});

test.run();
