import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import type { LoadOptions } from '../../src/engine/cross-encoder-options.js';
import { cacheFolder } from '../../src/io/make-folder.js';
import { refuses } from '../support/errors.js';
import { useOwnCache } from '../support/files.js';
import { modelFolder, expectedPairs } from '../support/models.js';

const test = suite('exact: the top K of 32-true');
useOwnCache(test);

const folder = modelFolder('mono-rank');
const pairs = await expectedPairs('mono-rank');
const words = [...new Set(pairs.flatMap(({ document }) => document.split(' ')))];
const { query } = pairs[0]!;
/** Documents of which no two are equal. */
const made = (count: number, offset = 0): string[] =>
  Array.from({ length: count }, (_, i) =>
    Array.from({ length: 3 + (i % 9) }, (_, j) => words[(i * 31 + j * j * 7 + offset) % words.length])
      .join(' ')
      .concat(` ${i}`),
  );

const load = (precision: string, more: LoadOptions = {}): Promise<CrossEncoder> =>
  CrossEncoder.load(folder, { precision, onWarning: () => undefined, ...more });
const indices = (found: readonly { index: number }[]): number[] =>
  found.map(({ index }) => index).sort((a, b) => a - b);

interface Kept {
  arithmetic: string;
  pairs: number;
  largestError: number;
}

const keptIn = (path: string): Kept => JSON.parse(readFileSync(path, 'utf8')) as Kept;

/** The file with the bound on the errors of a model's own scores. */
function boundFile({ precision }: CrossEncoder): string {
  const bounds = join(cacheFolder(), 'error-bounds');
  const paths = readdirSync(bounds).map((name) => join(bounds, name));
  return paths.find((path) => keptIn(path).arithmetic.startsWith(`${precision}/`))!;
}

test('the first calls measure the bound on their own pairs, and later ones score few documents again', async () => {
  await using model = await load('int8');
  await using finer = await load('32-true');
  for (const [count, isKnown] of [
    [100, false],
    [300, false],
    [400, true],
  ] as const) {
    const documents = made(count, count);
    const topK = count / 2;
    const { documents: found, refined } = await model.rankInDetail(query, documents, { topK, exact: true });
    assert.equal(indices(found), indices(await finer.rank(query, documents, { topK })));
    assert.is(refined!.documents, count);
    assert.is(refined!.exceeded, 0);
    if (isKnown)
      assert.ok(refined!.bound! > 0 && refined!.rescored > 0 && refined!.rescored < count, String(refined!.rescored));
    else assert.equal([refined!.bound, refined!.rescored], [undefined, count]);
  }
  const path = boundFile(model);
  const kept = keptIn(path);
  assert.is(kept.pairs, 400);

  // another process starts with it
  await using again = await load('int8');
  const { refined } = await again.rankInDetail(query, made(50), { topK: 5, exact: true });
  assert.is(refined!.bound, 3 * kept.largestError);

  // a bound that is too small is found out, and raised
  writeFileSync(path, JSON.stringify({ ...kept, largestError: 1e-9 }));
  const warnings: string[] = [];
  await using wrong = await load('int8', { onWarning: (warning) => warnings.push(warning) });
  const documents = made(200);
  const caught = await wrong.rankInDetail(query, documents, { topK: 100, exact: true });
  assert.ok(caught.refined!.exceeded > 0);
  assert.equal(indices(caught.documents), indices(await finer.rank(query, documents, { topK: 100 })));
  assert.ok(warnings.some((warning) => /more than the bound of 3.0e-9; the bound is raised/.test(warning)));
  assert.ok(keptIn(path).largestError > 1e-9);
});

test('1,024 pairs make the bound final: twice the largest error', async () => {
  await using model = await load('int8');
  await using finer = await load('32-true');
  const documents = made(1100, 3);
  const pairsOf = (count: number) =>
    async function* () {
      for (const document of documents.slice(0, count)) yield await Promise.resolve({ query, document });
    };
  const [few] = (await model.errorBounds(pairsOf(300)))!;
  const [final] = (await model.errorBounds(pairsOf(1100)))!;
  const kept = keptIn(boundFile(model));
  assert.equal([kept.pairs, final], [1024, 2 * kept.largestError]);
  assert.ok(few! > 0);
  assert.equal(await model.errorBounds(pairsOf(0)), await model.errorBounds(pairsOf(1100)));
  const { documents: found, refined } = await model.rankInDetail(query, documents, { topK: 50, exact: true });
  assert.equal(indices(found), indices(await finer.rank(query, documents, { topK: 50 })));
  assert.equal([refined!.bound, refined!.exceeded], [final, 0]);
  assert.equal(keptIn(boundFile(model)), kept);
});

test('bounds of another rank are raised where this process has measured none', async () => {
  const config = { docLength: 20 }; // a model of its own for what is kept
  await using model = await load('int8', { config });
  await using finer = await load('32-true', { config });
  const documents = made(60, 5);
  const pairs = documents.map((document) => ({ query, document }));
  // one for each arithmetic before 32-true, of which there are one or two
  for (const bounds of [[1e-9], [1e-9, 1e-9]]) {
    const request = { query, documents, scores: await model.score(pairs), topK: 30, bounds };
    const { scores } = await model.refine(request);
    const order = [...documents.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, 30);
    assert.equal(indices(order.map((index) => ({ index }))), indices(await finer.rank(query, documents, { topK: 30 })));
  }
});

test('long documents are refined by their passages', async () => {
  await using model = await load('int8');
  await using finer = await load('32-true');
  const documents = made(40).map((text, i) => `${text} ${made(12, i).join(' ')}`);
  for (const aggregate of ['max', 'mean'] as const) {
    const options = { topK: 7, longDocuments: { aggregate } };
    const found = await model.rank(query, documents, { ...options, exact: true });
    assert.equal(indices(found), indices(await finer.rank(query, documents, options)));
  }
});

test('32-true has nothing to refine, and exact without topK is refused', async () => {
  await using model = await load('32-true');
  const { refined, documents } = await model.rankInDetail(query, made(20), { topK: 3, exact: true });
  assert.equal([refined, documents.length], [undefined, 3]);
  await refuses(() => model.rank(query, made(3), { exact: true }), 'bad_input', /topK: expected a number with exact/);
});

test.run();
