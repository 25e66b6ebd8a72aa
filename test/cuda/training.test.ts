import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { cachedPass } from '../../src/train/gradient-cache.js';
import { inFolder } from '../support/files.js';
import { copyModel, expectedPairs } from '../support/models.js';
import { useDevices } from '../support/devices.js';
import { OTHER_BLOCKS, TOLERANCES, relativeDistance } from '../support/tolerances.js';

const test = suite('training on a device');
useDevices();

const STEPS = 3;
/** Rates of each kind, so that every mask must be the CPU's, whose gradients golden files hold. */
const RATES = { hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.2, classifier_dropout: 0.1 };

interface Trained {
  scores: Float32Array[];
  gradient: Float32Array;
  norm: number;
  values: Float32Array;
}

/** Some steps of AdamW with clipping and dropout. */
async function train(folder: string, device: string, precision: string, reference: string): Promise<Trained> {
  await using model = await TrainableModel.load(folder, { device, precision, onWarning: () => undefined });
  assert.is(model.device, device === 'cuda' ? 'cuda:0' : device);
  const { native } = model;
  const pairs = await model.tokenizer.encodePairs(await expectedPairs(reference));
  const scores: Float32Array[] = [];
  let gradient: Float32Array = new Float32Array();
  let norm = 0;
  for (let step = 0; step < STEPS; step++) {
    const budget = { tokens: step === 1 ? 100 : 1e9, partTokens: native.tokensPerPart };
    const weights = (found: Float32Array): Float32Array => found.map((_, i) => 1 - (i % 3));
    scores.push((await cachedPass(native, pairs, weights, { step, budget })).scores);
    if (step === 0) {
      gradient = await native.read('gradients', 0, native.size);
      norm = await native.gradientNorm();
    }
    const adam = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 };
    await native.step({ ...adam, step: step + 1, scale: 0.5, clipValue: 0.1 });
  }
  return { scores, gradient, norm, values: await native.read('values', 0, native.size) };
}

const REFERENCES = [
  'mono-rank',
  'mono-mean',
  'mono-max',
  'mono-bert-pool',
  'electra-classification',
  'mono-two-labels',
];
for (const reference of REFERENCES) {
  test(`${reference}: steps in float32 are the CPU's, dropout included`, () =>
    inFolder(async (folder) => {
      await copyModel(folder, reference);
      const path = join(folder, 'config.json');
      const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
      await writeFile(path, JSON.stringify({ ...config, ...RATES }));
      const expected = await train(folder, 'cpu', '32-true', reference);
      const found = await train(folder, 'cuda', '32-true', reference);
      const off = relativeDistance(found.gradient, expected.gradient);
      assert.ok(off <= TOLERANCES.cuda.float32.gradient, `gradients are off by ${off} of their norm`);
      assert.ok(
        Math.abs(found.norm / expected.norm - 1) <= OTHER_BLOCKS.gradientNorm,
        `norms ${found.norm}, ${expected.norm}`,
      );
      found.scores[0]!.forEach((score, i) =>
        assert.ok(Math.abs(score - expected.scores[0]![i]!) <= TOLERANCES.cuda.float32.score, `pair ${i}`),
      );
      // AdamW divides by the gradient's own size: where that is rounding noise, a step goes either way
      const worst = relativeDistance(found.values, expected.values);
      assert.ok(worst <= 1e-3, `values after ${STEPS} steps are off by ${worst} of their norm`);
    }));
}

test('bf16-mixed gradients differ from float32 by roundings alone', () =>
  inFolder(async (folder) => {
    await copyModel(folder, 'mono-rank');
    const exact = await train(folder, 'cuda', '32-true', 'mono-rank');
    const mixed = await train(folder, 'cuda', 'bf16-mixed', 'mono-rank');
    const off = relativeDistance(mixed.gradient, exact.gradient);
    assert.ok(off > 1e-5 && off <= TOLERANCES.cuda.bfloat16.gradient['mono-rank'], `off by ${off} of their norm`);
  }));

test('the same steps give the same bits', () =>
  inFolder(async (folder) => {
    await copyModel(folder, 'mono-rank');
    const one = await train(folder, 'cuda', 'bf16-mixed', 'mono-rank');
    const two = await train(folder, 'cuda', 'bf16-mixed', 'mono-rank');
    assert.equal(two, one);
  }));

test.run();
