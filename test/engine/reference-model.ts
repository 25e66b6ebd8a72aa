import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ComputePrecision, NativeModel, PackedBatch } from '../../binding.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import type { Checkpoint } from '../../src/models/checkpoint.js';
import { loadBinding } from '../../src/engine/load-binding.js';

interface ExpectedPair {
  query: string;
  document: string;
  input_ids: number[];
  token_type_ids: number[];
  score: number;
}

/** A small model whose scores lightning-ir or sentence-transformers computed, see scripts/references. */
export interface ReferenceModel {
  folder: string;
  checkpoint: Checkpoint;
  pairs: ExpectedPair[];
  /** Its pairs as one batch in their order. */
  batch: PackedBatch;
}

export async function referenceModel(name: string): Promise<ReferenceModel> {
  const folder = fileURLToPath(new URL(`../golden/references/${name}`, import.meta.url));
  const { pairs } = JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')) as { pairs: ExpectedPair[] };
  return { folder, checkpoint: await loadCheckpoint(folder), pairs, batch: pack(pairs) };
}

export function pack(pairs: readonly Pick<ExpectedPair, 'input_ids' | 'token_type_ids'>[]): PackedBatch {
  const cuSeqlens = [0];
  for (const pair of pairs) cuSeqlens.push(cuSeqlens.at(-1)! + pair.input_ids.length);
  return {
    inputIds: Int32Array.from(pairs.flatMap((pair) => pair.input_ids)),
    tokenTypeIds: Uint8Array.from(pairs.flatMap((pair) => pair.token_type_ids)),
    cuSeqlens: Int32Array.from(cuSeqlens),
  };
}

/** The reference model in the engine, without the layers above it. */
export function createNative(
  { checkpoint }: ReferenceModel,
  precision: ComputePrecision = 'float32',
  threads = 0,
): Promise<NativeModel> {
  const { encoder, head, tensors } = checkpoint;
  return loadBinding().createModel({ encoder, head, precision, threads }, tensors);
}
