import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { cachedPass } from '../../src/train/gradient-cache.js';
import { expectedPairs, modelFolder } from '../support/models.js';
import { TOLERANCES, relativeDistance } from '../support/tolerances.js';

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

// Every machine can compute bf16, only slowly where the CPU has no instructions for it; what is rounded is the same.
test.before(() => {
  process.env['RANK_DISTILLM_EMULATE_BF16'] = '1';
});
test.after(() => {
  delete process.env['RANK_DISTILLM_EMULATE_BF16'];
});

const BOUNDS = TOLERANCES.cpu.bfloat16;
for (const [name, bound] of Object.entries(BOUNDS.gradient)) {
  test(`${name}: bf16-mixed differs from float32 by its roundings alone`, async () => {
    const exact = await pass(name, '32-true');
    const mixed = await pass(name, 'bf16-mixed');
    assert.is(exact.precision, 'float32');
    assert.is(mixed.precision, 'bfloat16');
    const off = relativeDistance(mixed.gradient, exact.gradient);
    assert.ok(off > 1e-5 && off < bound, `gradients are off by ${off} of their norm`);
    const spread = Math.max(...exact.scores) - Math.min(...exact.scores);
    const worst = Math.max(...mixed.scores.map((score, i) => Math.abs(score - exact.scores[i]!)));
    assert.ok(worst <= BOUNDS.score * spread, `scores are off by ${worst} at a spread of ${spread}`);
  });
}

test.run();
