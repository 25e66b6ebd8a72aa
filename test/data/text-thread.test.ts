import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openIndexed } from '../../src/data/collection/collection-index.js';
import { CollectionStore } from '../../src/data/collection/collection-store.js';
import { locate } from '../../src/data/collection/text-places.js';
import { TextThread } from '../../src/data/collection/text-thread.js';
import type { RankDistillmError } from '../../src/errors.js';

const test = suite('texts fetched by a thread');

const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-texts-'));
test.after(() => rmSync(folder, { recursive: true }));

const DOCUMENTS = 2000;
/** Of all lengths, with letters of one to four bytes. */
const textOf = (i: number): string => `text ${i} äöü € 😀 ${'word '.repeat((i * 37) % 90)}`.trim();
const path = join(folder, 'collection.tsv');
writeFileSync(path, Array.from({ length: DOCUMENTS }, (_, i) => `d${i}\t${textOf(i)}\n`).join(''));

const SOURCE = { format: 'tsv', isCopy: false, repairs: false } as const;

/** The thread, and where its documents lie. */
async function threadFor(collection: string) {
  const { plain, plainPath, index } = await openIndexed(collection, { folder });
  const source = { ...SOURCE, path: collection, plain: plainPath, file: plain.fd, index: index.path };
  const thread = new TextThread(source);
  const read = (docIds: readonly string[]): Promise<string[]> =>
    thread.read(locate(index, docIds, collection, undefined));
  const close = async (): Promise<void> => {
    await thread.close();
    await plain.close();
    index.close();
  };
  return { thread, read, close };
}

async function errorOf(run: Promise<unknown>): Promise<RankDistillmError> {
  return run.then(
    () => assert.unreachable('no error'),
    (error: unknown) => error as RankDistillmError,
  ) as Promise<RankDistillmError>;
}

test('far apart and side by side, one, many and none: the texts of the file, in its order', async () => {
  const { thread, read, close } = await threadFor(path);
  const orders = [[5], [7, 6, 5], Array.from({ length: 300 }, (_, i) => (i * 1237) % DOCUMENTS), []];
  for (const order of orders) {
    const texts = await read(order.map((i) => `d${i}`));
    assert.equal(texts, order.sort((a, b) => a - b).map(textOf));
  }
  assert.ok(thread.isReady);
  await close();
  assert.not(thread.isReady);
});

test('a file that is cut while it is read is an error, and the thread goes on', async () => {
  const cut = join(folder, 'cut.tsv');
  writeFileSync(cut, 'd1\tone\nd2\ttwo\n');
  const { read, close } = await threadFor(cut);
  assert.equal(await read(['d2']), ['two']);
  truncateSync(cut, 8);
  const error = await errorOf(read(['d2']));
  assert.is(error.code, 'io');
  assert.match(error.message, /cut\.tsv: the file changed while it was being read/);
  assert.equal(await read(['d1']), ['one']);
  await close();
});

test('a thread that dies fails what waits for it', async () => {
  const source = { ...SOURCE, path: 'gone.tsv', plain: 'gone.tsv', file: -1, index: join(folder, 'gone.index') };
  const thread = new TextThread(source);
  const error = await errorOf(thread.read([{ docId: 'd1', offset: 0, length: -1, line: 1, checksum: 0 }]));
  assert.is(error.code, 'native');
  assert.match(error.message, /^gone\.tsv: its reader thread died/);
});

test('a store goes over to its thread, and is closed while that works', async () => {
  const store = await CollectionStore.open(path, { folder, threadAfter: 0 });
  for (let round = 0; round < 200; round++) {
    const i = (round * 61) % DOCUMENTS;
    assert.equal(await store.getTexts([`d${i}`, 'd0']), [textOf(i), textOf(0)]);
    await new Promise((done) => setTimeout(done, 5)); // the thread begins meanwhile
  }
  const ids = Array.from({ length: DOCUMENTS }, (_, i) => `d${i}`);
  const last = store.getTexts(ids).then(
    (texts) => texts.length,
    (error: RankDistillmError) => error.code,
  );
  await store.close();
  assert.ok([DOCUMENTS, 'native'].includes(await last));
});

test.run();
