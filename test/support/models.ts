import { readFileSync, writeFileSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import type { EncoderConfig } from '../../binding.js';
import type { PairTokens, TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { copyFolder, temporaryFolder } from './files.js';

/** Small models and what the original libraries compute with them: scripts/references/models.py. */
export const REFERENCES = fileURLToPath(new URL('../golden/references/', import.meta.url));

/** Weight files good and bad: scripts/references/weight_files.py. */
export const WEIGHT_FILES = fileURLToPath(new URL('../models/golden/', import.meta.url));

/** A pair with what another library computes for it. */
export interface ScoredPair extends TextPair {
  input_ids: number[];
  token_type_ids: number[];
  score: number;
}

/** The folder of a reference model. */
export function modelFolder(name = 'mono-rank'): string {
  return join(REFERENCES, name);
}

/** What the original library computes for that model's pairs. */
export async function expectedPairs(name = 'mono-rank'): Promise<ScoredPair[]> {
  const text = await readFile(join(modelFolder(name), 'expected.json'), 'utf8');
  return (JSON.parse(text) as { pairs: ScoredPair[] }).pairs;
}

export function copyModel(to: string, name = 'mono-rank'): Promise<void> {
  return cp(modelFolder(name), to, { recursive: true, dereference: true });
}

/** A temporary copy of a reference model with a changed config.json; keys set to undefined are removed. */
export function changedModel(name: string, changes: Record<string, unknown> = {}): string {
  const folder = temporaryFolder();
  copyFolder(modelFolder(name), folder);
  const path = join(folder, 'config.json');
  const config = { ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...changes };
  writeFileSync(path, JSON.stringify(config));
  return folder;
}

/** The pairs that shared/golden/make_golden.py wrote, a line of JSON each. */
export function readScoredPairs(path: string): ScoredPair[] {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const { doc, ...rest } = JSON.parse(line) as ScoredPair & { doc: string };
    return { ...rest, document: doc };
  });
}

export function assertSameIds(found: readonly PairTokens[], expected: readonly ScoredPair[]): void {
  assert.is(found.length, expected.length);
  expected.forEach((pair, i) => {
    assert.equal([...found[i]!.inputIds], pair.input_ids, `input_ids of pair ${i}: ${JSON.stringify(pair.query)}`);
    assert.equal([...found[i]!.tokenTypeIds], pair.token_type_ids, `token_type_ids of pair ${i}`);
  });
}

export function assertClose(
  found: ArrayLike<number>,
  expected: readonly Pick<ScoredPair, 'query' | 'score'>[],
  tolerance: number,
): void {
  assert.is(found.length, expected.length);
  expected.forEach(({ query, score }, i) => {
    const difference = Math.abs(found[i]! - score);
    // written so that NaN fails
    assert.ok(difference <= tolerance, `pair ${i} (${JSON.stringify(query)}): expected ${score}, found ${found[i]}`);
  });
}

/** An encoder's shape; the tokenizer uses two of its numbers. */
export function encoderOf(given: { vocabSize: number; maxPositions: number }): EncoderConfig {
  return {
    ...given,
    embeddingSize: 32,
    hiddenSize: 32,
    layers: 1,
    heads: 2,
    intermediateSize: 64,
    firstPosition: 0,
    typeVocabSize: 2,
    layerNormEps: 1e-12,
    activation: 'gelu',
  };
}

/** A tokenizer read as lightning-ir reads it. */
export const LIGHTNING_IR = { kind: 'lightning-ir' } as const;

/** A folder of test/tokenize/golden as a lightning-ir model, whose texts take the round trip. */
export function checkpointOf(name: string, vocabSize = 300) {
  return {
    folder: fileURLToPath(new URL(`../tokenize/golden/${name}`, import.meta.url)),
    encoder: encoderOf({ vocabSize, maxPositions: 64 }),
    pairEncoding: { kind: 'lightning-ir' as const, queryLength: 16, docLength: 40, maxLength: 64 },
  };
}
