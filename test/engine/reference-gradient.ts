import { TrainableModel } from '../../src/engine/trainable-model.js';
import { cachedPass } from '../../src/train/gradient-cache.js';
import { expectedPairs, modelFolder } from '../cli/support.js';

/** All gradients of a reference model, float32, nothing dropped: of the sum of its scores, some more than others. */
export async function gradientOf(name: string): Promise<Float32Array> {
  await using model = await TrainableModel.load(modelFolder(name), { dropout: false, onWarning: () => undefined });
  const pairs = await model.tokenizer.encodePairs(await expectedPairs(name));
  const weights = (scores: Float32Array): Float32Array => scores.map((_, i) => 1 + (i % 3));
  await cachedPass(model.native, pairs, weights, {
    step: 0,
    budget: { tokens: 1e9, partTokens: model.native.tokensPerPart },
  });
  return model.native.read('gradients', 0, model.native.size);
}
