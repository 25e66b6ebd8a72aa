import { mkdirSync, readdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CollectionStore } from '../../src/data/collection-store.js';
import { sharedPath } from '../support/shared.js';
import { golden, refuses, temporaryFolder } from './support.js';

const test = suite('collection store');
const { folder, file } = temporaryFolder();
const cache = join(folder, 'cache', 'rank-distillm', 'collections');
const indexes = () => readdirSync(cache).filter((name) => name.endsWith('.lmdb'));

test('texts come in the order asked for, also twice, from plain and gzipped collections', async () => {
  const bytes = readFileSync(golden('docs.tsv'));
  const texts = new Map(
    bytes
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split('\t') as [string, string]),
  );
  const jsonl = [...texts].map(([id, text]) => JSON.stringify({ id, contents: text })).join('\r\n');
  const paths = [
    golden('docs.tsv'),
    file('docs.tsv.gz', gzipSync(bytes)),
    file('docs.jsonl', jsonl),
    file('bom.tsv', `\uFEFF${bytes}`),
  ];
  for (const path of paths) {
    const store = await CollectionStore.open(path);
    assert.is(store.size, 12);
    const asked = ['d12', 'd3', 'd1', 'd3', 'd10'];
    assert.equal(
      await store.getTexts(asked),
      asked.map((id) => texts.get(id)),
      path,
    );
    assert.equal(await store.getTexts([]), []);
    assert.equal([store.has('d3'), store.has('d13'), store.has('')], [true, false, false]);
    await store.close();
  }
});

test('an index is built once, and again when the file changes', async () => {
  const path = file('changing.tsv', 'd1\told\n');
  const built: number[] = [];
  const text = async () => {
    const store = await CollectionStore.open(path, { onProgress: (documents) => built.push(documents) });
    const [found] = await store.getTexts(['d1']);
    await store.close();
    return found;
  };
  assert.is(await text(), 'old');
  assert.is(await text(), 'old');
  assert.equal(built, [1]);
  const before = indexes().length;
  writeFileSync(path, 'd1\tnew\n');
  utimesSync(path, 1, 1); // a change of time alone must do: the size is the same
  assert.is(await text(), 'new');
  renameSync(file('other.tsv', 'd1\tyet\n'), path);
  utimesSync(path, 1, 1); // and so must another inode
  assert.is(await text(), 'yet');
  assert.equal(built, [1, 1, 1]);
  assert.is(indexes().length, before, 'indexes of older versions are removed');
});

test('nothing is left of an index that could not be built, and no temporary file of one that could', async () => {
  const before = readdirSync(cache);
  await refuses(
    () => CollectionStore.open(file('twice.tsv', 'd1\ta\nd2\tb\nd1\tc\n')),
    'bad_input',
    'twice.tsv:3',
    "'d1'",
    'line 1',
  );
  await refuses(() => CollectionStore.open(file('bad.tsv', 'd1\ta\nno tab\n')), 'bad_input', 'bad.tsv:2');
  await refuses(() => CollectionStore.open(file('none.tsv', '')), 'bad_input', 'none.tsv', 'empty');
  await refuses(
    () => CollectionStore.open(file('long.tsv', `${'x'.repeat(3000)}\ta\n`)),
    'bad_input',
    'long.tsv:1',
    'id',
  );
  await refuses(
    () => CollectionStore.open(file('cut.tsv.gz', gzipSync('d1\ta\n').subarray(0, 15))),
    'bad_input',
    'cut.tsv.gz',
  );
  await refuses(() => CollectionStore.open(join(folder, 'missing.tsv')), 'not_found', 'missing.tsv');
  const signal = AbortSignal.abort();
  const stopped = CollectionStore.open(file('stopped.tsv', 'd1\ta\n'), { signal });
  await stopped.then(
    () => assert.unreachable(),
    (error: { code: string }) => assert.is(error.code, 'aborted'),
  );
  assert.equal(readdirSync(cache), before);
  assert.not.ok(before.some((name) => name.includes('.tmp-')));
});

test('an unknown document is named with the collection and the run', async () => {
  const store = await CollectionStore.open(golden('docs.tsv'));
  await refuses(() => store.getTexts(['d1', 'd99'], 'a.run'), 'not_found', "'d99'", 'docs.tsv', 'a.run');
  await store.close();
});

test('two stores of one collection at once, opened at once', async () => {
  const path = file('shared.tsv', Array.from({ length: 5000 }, (_, i) => `d${i}\ttext ${i}\n`).join(''));
  const [a, b] = await Promise.all([CollectionStore.open(path), CollectionStore.open(path)]);
  await a.close();
  assert.equal(await b.getTexts(['d4999', 'd0']), ['text 4999', 'text 0']);
  await b.close();
});

test('the index goes beside the file when the cache folder cannot be written', async () => {
  const own = join(folder, 'own');
  mkdirSync(own);
  const path = join(own, 'docs.tsv');
  writeFileSync(path, 'd1\ta\n');
  const before = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = join(file('not-a-folder', ''), 'cache');
  try {
    const store = await CollectionStore.open(path);
    assert.equal(await store.getTexts(['d1']), ['a']);
    await store.close();
  } finally {
    process.env['XDG_CACHE_HOME'] = before;
  }
  assert.is(readdirSync(own).filter((name) => name.endsWith('.lmdb')).length, 1);
});

test('a collection rewritten under an open store is noticed', async () => {
  const path = file('rewritten.tsv', 'd1\taaaa\nd2\tbbbb\n');
  const store = await CollectionStore.open(path);
  writeFileSync(path, 'x9\taaaa\nx8\tbbbb\n');
  await refuses(() => store.getTexts(['d2']), 'io', 'rewritten.tsv', 'changed');
  await store.close();
});

test('every passage of DL 2020', async () => {
  const path = sharedPath('data/trec-dl-2020/collection.tsv');
  if (path === undefined) return;
  const rows = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t') as [string, string]);
  const store = await CollectionStore.open(path);
  assert.is(store.size, 14_091);
  rows.sort(([a], [b]) => (a < b ? 1 : -1));
  assert.equal(
    await store.getTexts(rows.map(([id]) => id)),
    rows.map(([, text]) => text),
  );
  await store.close();
});

test.run();
