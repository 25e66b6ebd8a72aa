import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { createPairTokenizer } from '../../src/tokenize/pair-tokenizer.js';
import { expectedPairs, modelFolder } from '../support/models.js';

const test = suite('long documents in passages');

const pairs = await expectedPairs();
const words = pairs.flatMap(({ document }) => document.split(/\s+/)).filter((word) => word !== '');
const text = (count: number): string => Array.from({ length: count }, (_, i) => words[i % words.length]).join(' ');

async function passagesOf(document: string, overlap = 0, most = 10_000, name = 'mono-rank') {
  const tokenizer = await createPairTokenizer(await loadCheckpoint(modelFolder(name)));
  const { query } = pairs[0]!;
  const found = await tokenizer.passages({ query, document }, overlap, most);
  const encoded = await tokenizer.encodePairs(found.passages.map((passage) => ({ query, document: passage.text })));
  await tokenizer.close();
  return { ...found, encoded };
}

for (const name of ['mono-rank', 'cross-encoder-bias']) {
  test(`${name}: passages cover the document, and none is cut by the model`, async () => {
    const document = `  ${text(700)}\n`;
    const { passages, cut, encoded } = await passagesOf(document, 0, 10_000, name);
    assert.ok(passages.length > 5);
    assert.not(cut);
    let end = 0;
    for (const passage of passages) {
      assert.is(document.slice(end, passage.start).trim(), '');
      assert.is(document.slice(passage.start, passage.start + passage.text.length), passage.text);
      end = passage.start + passage.text.length;
    }
    assert.is(document.slice(end).trim(), '');
    // the query of mono-rank's first pair may be cut itself: only the documents' sides are compared
    const lengths = encoded.map(({ inputIds }) => inputIds.length);
    assert.ok(Math.max(...lengths) - Math.min(...lengths.slice(0, -1)) < 12, `full passages: ${lengths.join(' ')}`);
  });
}

test('neighbours share what overlap says, by whole words', async () => {
  const document = text(300);
  const { passages } = await passagesOf(document, 5);
  for (const [i, { start }] of passages.slice(1).entries()) {
    const before = passages[i]!;
    const shared = before.start + before.text.length - start;
    assert.ok(shared > 0 && shared < before.text.length / 2 + 20, `${shared} characters`);
  }
});

test('stops at the most passages and says so', async () => {
  const { passages, cut } = await passagesOf(text(700), 0, 3);
  assert.is(passages.length, 3);
  assert.ok(cut);
});

test('texts without spaces, of one word, or of nothing', async () => {
  const one = async (document: string) => (await passagesOf(document)).passages.map((passage) => passage.text).join('');
  assert.is(await one('語'.repeat(500)), '語'.repeat(500));
  assert.is(await one('a'.repeat(5000)), 'a'.repeat(5000));
  assert.is(await one('\u{1f600}'.repeat(301)), '\u{1f600}'.repeat(301));
  assert.equal((await passagesOf('')).passages, [{ text: '', start: 0 }]);
  assert.equal((await passagesOf(' \n ')).passages, [{ text: ' \n ', start: 0 }]);
});

test('a ranking by passages is that of the best or the mean of them', async () => {
  await using model = await CrossEncoder.load(modelFolder());
  const { query } = pairs[0]!;
  const documents = [text(400), 'short', `${text(90)} ${pairs[0]!.document}`];
  for (const aggregate of ['max', 'mean'] as const) {
    const ranked = await model.rank(query, documents, { longDocuments: { aggregate, maxPassages: 100 } });
    for (const { index, score, passage, truncated } of ranked) {
      const { passages } = await passagesOf(documents[index]!);
      const scores = await model.score(passages.map((one) => ({ query, document: one.text })));
      const best = Math.max(...scores);
      const expected = aggregate === 'max' ? best : scores.reduce((sum, one) => sum + one, 0) / scores.length;
      assert.ok(Math.abs(score - expected) < 1e-6);
      if (passages.length === 1) assert.is(passage, undefined);
      else assert.is(passage?.start, passages[scores.indexOf(best)]!.start);
      assert.is(truncated, index === 1 ? undefined : truncated);
    }
  }
  const [first] = await model.rank(query, [text(400)], { longDocuments: { maxPassages: 2 } });
  assert.is(first!.truncated, true);
});

test.run();
