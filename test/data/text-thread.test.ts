import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openIndexed } from '../../src/data/collection/collection-index.js';
import type { SharedIndex } from '../../src/data/collection/document-index.js';
import { CollectionStore } from '../../src/data/collection/collection-store.js';
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

/** The thread, and where its documents lie. */
async function threadFor(collection: string, repairs = false) {
  const { plain, plainPath, index, format } = await openIndexed(collection, { folder });
  const source = {
    format,
    repairs,
    isCopy: false,
    path: collection,
    plain: plainPath,
    file: plain.fd,
    index: index.path,
  };
  const thread = new TextThread(source, index.shared);
  const read = (docIds: readonly string[]): Promise<string[]> => thread.read(docIds, 'first-stage.run');
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
  const orders = [[5], [7, 6, 5, 6, 7], Array.from({ length: 300 }, (_, i) => (i * 1237) % DOCUMENTS), []];
  for (const order of orders) {
    const texts = await read(order.map((i) => `d${i}`));
    assert.equal(texts, order.map(textOf));
  }
  const error = await errorOf(read(['d1', 'd2000']));
  assert.is(error.code, 'not_found');
  assert.match(error.message, /'d2000' is not in the collection .*collection\.tsv \(asked for by first-stage\.run\)/);
  assert.ok(thread.isReady);
  await close();
  assert.not(thread.isReady);
});

test('JSON lines, and ids that are not ASCII', async () => {
  const jsonl = join(folder, 'collection.jsonl');
  writeFileSync(jsonl, '{"_id": "é", "title": "A", "text": "b\\n\\ud83d\\ude00"}\n{"id": "1", "contents": "c"}\n');
  const tsv = join(folder, 'names.tsv');
  writeFileSync(tsv, 'é\tA b\r\nd\u00a01\tc\r\n\n😀\t€');
  const asked: [string, string[], string[]][] = [
    [jsonl, ['1', 'é'], ['c', 'A b\n😀']],
    [tsv, ['😀', 'é', 'd\u00a01'], ['€', 'A b', 'c']],
  ];
  for (const [collection, ids, texts] of asked) {
    const { read, close } = await threadFor(collection);
    assert.equal(await read(ids), texts);
    await close();
  }
});

test('repaired texts, the same one twice', async () => {
  const broken = join(folder, 'broken.tsv');
  writeFileSync(broken, 'd1\tdonâ\x80\x99t\nd2\tascii\nd3\té\n');
  const { read, close } = await threadFor(broken, true);
  assert.equal(await read(['d1', 'd3', 'd2', 'd1']), ['don’t', 'é', 'ascii', 'don’t']);
  await close();
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
  const source = {
    isCopy: false,
    repairs: false,
    format: 'tsv',
    path: 'gone.tsv',
    plain: 'gone.tsv',
    file: -1,
    index: 'gone.index',
  } as const;
  const thread = new TextThread(source, { path: 'gone.index', file: -1 } as SharedIndex);
  const error = await errorOf(thread.read(['d1']));
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
