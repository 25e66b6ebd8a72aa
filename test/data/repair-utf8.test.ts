import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CollectionStore } from '../../src/data/collection/collection-store.js';
import { readDocuments } from '../../src/data/formats/texts.js';
import { repairUtf8 } from '../../src/io/text.js';
import { DatasetRegistry } from '../../src/data/registry.js';
import { RunDataset } from '../../src/data/run-dataset.js';
import { sharedPath } from '../support/shared.js';
import { golden } from '../support/data.js';
import { temporaryFiles } from '../support/files.js';

interface Repaired {
  cases: [text: string, repaired: string][];
  trecDl2020: string;
}

/** What ir_datasets' FixEncoding made: scripts/references/data.py. */
const expected = JSON.parse(readFileSync(golden('repair-utf8.json'), 'utf8')) as Repaired;
const test = suite('UTF-8 that was encoded twice');
const { folder, file } = temporaryFiles();

test('texts are repaired as ir_datasets repairs them', () => {
  assert.ok(expected.cases.filter(([text, repaired]) => text !== repaired).length > 100);
  for (const [text, repaired] of expected.cases) assert.is(repairUtf8(text), repaired, JSON.stringify(text));
});

const collection = sharedPath('data/trec-dl-2020/collection.tsv');
if (collection !== undefined) {
  test("DL 2020's passages, as ir_datasets repairs them", async () => {
    const hash = createHash('sha256');
    for await (const { id, text } of readDocuments(collection)) hash.update(`${id}\t${repairUtf8(text)}\n`);
    assert.is(hash.digest('hex'), expected.trecDl2020);
  });
}

test("only ir_datasets' MS MARCO v1 ids are repaired, also where another dataset takes its documents from them", async () => {
  const docs = file('docs.tsv', 'd1\tdonâ\x80\x99t\n');
  const queries = file('queries.tsv', 'q1\tdonâ\x80\x99t\n');
  const registry = new DatasetRegistry();
  for (const [id, from] of [
    ['msmarco-passage', docs],
    ['msmarco-passage/trec-dl-2020/judged', docs],
    ['mine', 'msmarco-passage'],
    ['msmarco-passage/mine', docs],
    ['msmarco-passage-v2/trec-dl-2021', docs],
    ['other', 'msmarco-passage/mine'],
  ] as const) {
    registry.register(id, { docs: from, queries });
  }
  const read = async (id: string): Promise<string> => {
    const run = file('__first__x.run', 'q1 Q0 d1 1 1.0 tag\n');
    const dataset = await RunDataset.open({ runPathOrId: run, dataset: id }, registry, { folder });
    let texts = '';
    for await (const { query, docs } of dataset.samples()) texts += `${query} ${docs.join()}`;
    await dataset.close();
    return texts;
  };
  const broken = 'donâ\x80\x99t';
  assert.is(await read('msmarco-passage'), `${broken} don’t`);
  assert.is(await read('msmarco-passage/trec-dl-2020/judged'), `${broken} don’t`);
  assert.is(await read('mine'), `${broken} don’t`);
  for (const id of ['msmarco-passage/mine', 'msmarco-passage-v2/trec-dl-2021', 'other']) {
    assert.is(await read(id), `${broken} ${broken}`);
  }
});

test('repaired texts of a collection, the same one twice', async () => {
  const docs = file('docs.tsv', 'd1\tdonâ\x80\x99t\nd2\tascii\nd3\té\n');
  await using store = await CollectionStore.open(docs, { folder, repairs: true });
  assert.equal(await store.getTexts(['d1', 'd3', 'd2', 'd1']), ['don’t', 'é', 'ascii', 'don’t']);
});

test.run();
