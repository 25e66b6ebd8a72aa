import type { ComputePrecision, NativeModel, PackedBatch } from '../../binding.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { loadBinding } from '../../src/io/load-binding.js';
import type { Checkpoint } from '../../src/models/checkpoint.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { cachedPass } from '../../src/train/gradient-cache.js';
import { expectedPairs, modelFolder, type ScoredPair } from './models.js';

/** A small model whose scores lightning-ir or sentence-transformers computed, see scripts/references. */
export interface ReferenceModel {
  folder: string;
  checkpoint: Checkpoint;
  pairs: ScoredPair[];
  /** Its pairs as one batch in their order. */
  batch: PackedBatch;
}

export async function referenceModel(name: string): Promise<ReferenceModel> {
  const folder = modelFolder(name);
  const pairs = await expectedPairs(name);
  return { folder, checkpoint: await loadCheckpoint(folder), pairs, batch: pack(pairs) };
}

export function pack(pairs: readonly Pick<ScoredPair, 'input_ids' | 'token_type_ids'>[]): PackedBatch {
  const cuSeqlens = [0];
  for (const pair of pairs) cuSeqlens.push(cuSeqlens.at(-1)! + pair.input_ids.length);
  return {
    inputIds: Int32Array.from(pairs.flatMap((pair) => pair.input_ids)),
    tokenTypeIds: Uint8Array.from(pairs.flatMap((pair) => pair.token_type_ids)),
    cuSeqlens: Int32Array.from(cuSeqlens),
  };
}

/**
 * Whether the addon was built with sanitizers (scripts/check-full.mjs): it has the two lowest levels and this machine's
 * best, and a process that asks for too much memory ends.
 */
export const isSanitized = /lib[at]san/.test(process.env['LD_PRELOAD'] ?? '');

/** The reference model in the engine, without the layers above it. */
export function createNative(
  { checkpoint }: ReferenceModel,
  precision: ComputePrecision = 'float32',
  threads = 0,
): Promise<NativeModel> {
  const { encoder, head, tensors } = checkpoint;
  return loadBinding().createModel({ encoder, head, precision, threads }, tensors);
}

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
