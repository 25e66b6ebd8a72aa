import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rankOrder, TREC_EVAL_ORDER } from '../../src/evaluate/rank-order.js';

const test = suite('trec_eval order');

const trecOrder = (docIds: string[], scores: number[]): Uint32Array => rankOrder(docIds, scores, TREC_EVAL_ORDER);

test('docids are ordered by their UTF-8 bytes, not by UTF-16 units', () => {
  const docIds = ['\u{10000}', '\uffee', 'é', 'z', 'ab', 'a', 'D9'];
  assert.equal(
    [
      ...trecOrder(
        docIds.toReversed(),
        docIds.map(() => 1),
      ),
    ],
    [6, 5, 4, 3, 2, 1, 0],
  );
});

test('scores that float32 cannot tell apart are ties, ties go by docid descending', () => {
  const docIds = ['a', 'c', 'b', 'd'];
  assert.equal([...trecOrder(docIds, [1.00000002, 1.00000001, 1, 2])], [3, 1, 2, 0]);
  assert.equal([...trecOrder(docIds, [1.000001, 1, 1, 1])], [0, 3, 1, 2]);
});

test('infinite scores have their places', () => {
  assert.equal([...trecOrder(['a', 'b', 'c'], [-Infinity, 0, Infinity])], [2, 1, 0]);
});

test.run();
