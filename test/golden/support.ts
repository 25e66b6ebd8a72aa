import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import type { EncodedPair, TextPair } from '../../src/tokenize/pair-tokenizer.js';

/** A pair with what another library made of it. */
export interface ScoredPair extends TextPair {
  input_ids: number[];
  token_type_ids: number[];
  score: number;
}

/** The pairs that shared/golden/make_golden.py wrote, a line of JSON each. */
export function readScoredPairs(path: string): ScoredPair[] {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const { doc, ...rest } = JSON.parse(line) as ScoredPair & { doc: string };
    return { ...rest, document: doc };
  });
}

export function assertSameIds(found: readonly EncodedPair[], expected: readonly ScoredPair[]): void {
  assert.is(found.length, expected.length);
  expected.forEach((pair, i) => {
    assert.equal([...found[i]!.inputIds], pair.input_ids, `input_ids of pair ${i}: ${JSON.stringify(pair.query)}`);
    assert.equal([...found[i]!.tokenTypeIds], pair.token_type_ids, `token_type_ids of pair ${i}`);
  });
}

export function assertClose(found: Float32Array, expected: readonly ScoredPair[], tolerance: number): void {
  assert.is(found.length, expected.length);
  expected.forEach(({ query, score }, i) => {
    const difference = Math.abs(found[i]! - score);
    // written so that NaN fails
    assert.ok(difference <= tolerance, `pair ${i} (${JSON.stringify(query)}): expected ${score}, found ${found[i]}`);
  });
}
