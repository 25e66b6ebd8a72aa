import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { createPairTokenizer } from '../../src/tokenize/pair-tokenizer.js';
import { sharedPath } from '../support/shared.js';
import { assertClose, assertSameIds, readScoredPairs } from '../support/models.js';
import { TOLERANCES } from '../support/tolerances.js';

/** lightning-ir 0.0.6, transformers 4.57.6, torch 2.13.0, float32 on a CPU: shared/golden/make_golden.py. */
const PAIRS = 177;

const test = suite('the shared golden pairs');

const pairsPath = sharedPath('golden/pairs.jsonl');
const model = sharedPath('golden/tiny-monoelectra');

if (pairsPath && model) {
  const pairs = readScoredPairs(pairsPath);

  async function score(precision: '32-true' | 'bf16-true'): Promise<{ scores: Float32Array; ran: string }> {
    const encoder = await CrossEncoder.load(model!, { precision });
    try {
      return { scores: await encoder.score(pairs, {}), ran: encoder.precision };
    } finally {
      await encoder.close();
    }
  }

  test('all pairs are there', () => assert.is(pairs.length, PAIRS));

  test('token ids and types are equal', async () => {
    const tokenizer = await createPairTokenizer(await loadCheckpoint(model));
    assertSameIds(await tokenizer.encodePairs(pairs), pairs);
  });

  test('float32 scores are within 1e-4', async () => {
    const { scores, ran } = await score('32-true');
    assert.is(ran, 'float32');
    assertClose(scores, pairs, TOLERANCES.auto.float32.score);
  });

  test('bf16 scores are within 2 % of the spread, and bf16 is what ran', async () => {
    process.env['RANK_DISTILLM_EMULATE_BF16'] = '1'; // slow where the CPU has no instructions for it, but the same sums
    const { scores, ran } = await score('bf16-true');
    delete process.env['RANK_DISTILLM_EMULATE_BF16'];
    assert.is(ran, 'bfloat16');
    const expected = pairs.map((pair) => pair.score);
    assertClose(scores, pairs, TOLERANCES.cpu.bfloat16.score * (Math.max(...expected) - Math.min(...expected)));
    const float32 = (await score('32-true')).scores;
    const differing = scores.filter((value, i) => value !== float32[i]).length;
    assert.ok(differing >= 100, `only ${differing} scores differ from float32`);
  });
}

test.run();
