import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareBytes, trecOrder } from '../../src/evaluate/trec-order.js';

const test = suite('trec_eval order');

test('strings compare as their UTF-8 bytes do', () => {
  const texts = [
    '',
    'a',
    'ab',
    'b',
    'D9',
    'd10',
    'd9',
    'é',
    '\u07ff',
    '\ud7ff',
    '\ue000',
    '\uffee',
    '\u{10000}',
    '\u{1f600}',
  ];
  for (const a of texts) {
    for (const b of texts) {
      assert.is(Math.sign(compareBytes(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)), `${a} and ${b}`);
    }
  }
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
