import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { cachedPass } from '../../src/train/gradient-cache.js';
import { expectedPairs, modelFolder } from '../support/models.js';

const test = suite('training in bf16');

/** Scores and gradients of Σ scores in one precision. */
async function pass(name: string, precision: string) {
  await using model = await TrainableModel.load(modelFolder(name), {
    device: 'cpu', // test/cuda has its own
    precision,
    dropout: false,
  });
  const pairs = await model.tokenizer.encodePairs(await expectedPairs(name));
  const { scores } = await cachedPass(model.native, pairs, (found) => found.map((_, i) => 1 + (i % 3)), {
    step: 0,
    budget: { tokens: 1e9, partTokens: model.native.tokensPerPart },
  });
  return {
    precision: model.native.precision,
    scores,
    gradient: await model.native.read('gradients', 0, model.native.size),
  };
}

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

// Every machine can compute bf16, only slowly where the CPU has no instructions for it; what is rounded is the same.
test.before(() => {
  process.env['RANK_DISTILLM_EMULATE_BF16'] = '1';
});
test.after(() => {
  delete process.env['RANK_DISTILLM_EMULATE_BF16'];
});

/** How far lightning-ir's own gradients under autocast are off, as scripts/references/bf16_gradients.py prints it. */
const AUTOCAST_ERROR = { 'mono-rank': 0.028, 'mono-head-64': 0.0294, 'mono-mean': 0.0153 };

for (const [name, error] of Object.entries(AUTOCAST_ERROR)) {
  test(`${name}: bf16-mixed differs from float32 by its roundings alone`, async () => {
    const exact = await pass(name, '32-true');
    const mixed = await pass(name, 'bf16-mixed');
    assert.is(exact.precision, 'float32');
    assert.is(mixed.precision, 'bfloat16');
    const off = norm(mixed.gradient.map((value, i) => value - exact.gradient[i]!)) / norm(exact.gradient);
    assert.ok(off > 1e-5 && off < 2 * error, `gradients are off by ${off} of their norm`);
    const spread = Math.max(...exact.scores) - Math.min(...exact.scores);
    const worst = Math.max(...mixed.scores.map((score, i) => Math.abs(score - exact.scores[i]!)));
    assert.ok(worst <= 0.02 * spread, `scores are off by ${worst} at a spread of ${spread}`);
  });
}

test.run();
