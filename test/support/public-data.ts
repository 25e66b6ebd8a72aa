import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { pack } from 'tar-stream';
import yazl from 'yazl';
import { FILES } from '../../src/fetch/dataset-table.js';
import { md5, webServer, type WebServer } from './web-server.js';

// Stand-ins of the public datasets: the true files, names and layouts, with a few invented passages and queries.

const PASSAGES = 150;
const TOPICS = { train: 12, 'trec-dl-2019': 4, 'trec-dl-2020': 4 };
export type Split = keyof typeof TOPICS;

/** As in MS MARCO: some characters were encoded twice. */
const passage = (i: number): string =>
  `passage ${i} don\u00e2\u0080\u0099t \u00c3\u00a9 caf\u00e9 about topic ${i % 12}`;
export const repaired = (i: number): string => `passage ${i} don\u2019t \u00e9 caf\u00e9 about topic ${i % 12}`;
const topicId = (split: Split, i: number): string => `${Object.keys(TOPICS).indexOf(split) + 1}0${i}`;

const lines = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => `${line(i)}\n`).join('');

const queries = (split: Split): string => lines(TOPICS[split], (i) => `${topicId(split, i)}\tquery about topic ${i}`);
const qrels = (split: Split): string =>
  lines(
    TOPICS[split] * 3,
    (i) => `${topicId(split, Math.floor(i / 3))} 0 ${Math.floor(i / 3) + 12 * (i % 3)} ${i % 3}`,
  );

/** A first stage: all passages for each topic. */
export function runOf(split: Split, tag: string): string {
  return lines(TOPICS[split] * PASSAGES, (i) => {
    const rank = (i % PASSAGES) + 1;
    return `${topicId(split, Math.floor(i / PASSAGES))} Q0 ${((rank - 1) * 7) % PASSAGES} ${rank} ${PASSAGES - rank} ${tag}`;
  });
}

function parquetOf(split: Split): Buffer {
  const rows = runOf(split, 'x')
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  const column = (index: number): string[] => rows.map((row) => row[index]!);
  const bytes = parquetWriteBuffer({
    columnData: [
      { name: 'qid', data: column(0), type: 'STRING' },
      { name: 'docno', data: column(2), type: 'STRING' },
      { name: 'score', data: column(4).map(Number), type: 'DOUBLE' },
    ],
  });
  return Buffer.from(bytes);
}

export async function tarGz(members: Record<string, string>): Promise<Buffer> {
  return gzipSync(await tar(members));
}

export async function tar(members: Record<string, string | Buffer>): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(members)) archive.entry({ name }, content);
  archive.finalize();
  return buffer(archive);
}

export async function zipOf(members: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const archive = new yazl.ZipFile();
  for (const [name, content] of Object.entries(members)) archive.addBuffer(Buffer.from(content), name);
  archive.end();
  return buffer(archive.outputStream);
}

/** top1000 files repeat the texts. */
const top1000 = (split: Split): string =>
  lines(20, (i) => `${topicId(split, 0)}\t${i}\tquery about topic 0\t${passage(i)}`);

async function contents(): Promise<Record<string, Buffer | string>> {
  const collection = lines(PASSAGES, (i) => `${i}\t${passage(i)}`);
  const rankDistillm = ['colbert', 'rankzephyr', 'set-encoder', 'monoelectra'];
  return {
    'msmarco-passage/collectionandqueries.tar.gz': await tarGz({
      'collection.tsv': collection,
      'queries.dev.small.tsv': queries('train'),
      'qrels.dev.small.tsv': qrels('train'),
      'queries.eval.small.tsv': queries('train'),
    }),
    'msmarco-passage/queries.tar.gz': await tarGz({
      'queries.train.tsv': queries('train'),
      'queries.dev.tsv': queries('train'),
    }),
    'msmarco-passage/train/qrels': qrels('train'),
    'msmarco-passage/trec-dl-2019/qrels': qrels('trec-dl-2019'),
    'msmarco-passage/trec-dl-2020/qrels': qrels('trec-dl-2020'),
    'msmarco-passage/trec-dl-hard/qrels': qrels('trec-dl-2019') + qrels('trec-dl-2020'),
    'downloads/eda71eccbe4d251af83150abe065368c': gzipSync(queries('trec-dl-2019')),
    'downloads/ec9e012746aa9763c7ff10b3336a3ce1': gzipSync(top1000('trec-dl-2019')),
    'msmarco-passage/trec-dl-2020/queries.tsv.gz': gzipSync(queries('trec-dl-2020')),
    ...Object.fromEntries(
      rankDistillm.map((name) => [`msmarco-passage/train/rank-distillm-${name}.parquet`, parquetOf('train')]),
    ),
    'msmarco-passage-v2/msmarco_v2_passage.tar': await tar(
      Object.fromEntries(
        [0, 1].map((bundle) => [
          `msmarco_v2_passage/msmarco_passage_0${bundle}.gz`,
          gzipSync(
            lines(3, (i) =>
              JSON.stringify({
                pid: `msmarco_passage_0${bundle}_${i}`,
                passage: `passage ${bundle} ${i}`,
                spans: '(0,9)',
                docid: `msmarco_doc_0${bundle}_1`,
              }),
            ),
          ),
        ]),
      ),
    ),
    'beir/nfcorpus/source.zip': await zipOf({
      'nfcorpus/corpus.jsonl': lines(5, (i) =>
        JSON.stringify({ _id: `MED-${i}`, title: `title ${i}`, text: `text ${i}`, metadata: { url: 'u' } }),
      ),
      'nfcorpus/queries.jsonl': lines(2, (i) =>
        JSON.stringify({ _id: `PLAIN-${i}`, text: `query ${i}`, metadata: { url: 'u' } }),
      ),
      'nfcorpus/qrels/test.tsv': 'query-id\tcorpus-id\tscore\nPLAIN-0\tMED-1\t2\nPLAIN-1\tMED-3\t1\n',
    }),
  };
}

export interface PublicData extends AsyncDisposable {
  server: WebServer;
  /** What each stand-in was made of, by its path in ir_datasets' folder. */
  files: Record<string, Buffer>;
  /** The value of RANK_DISTILLM_DOWNLOADS, written into `folder`. */
  list: string;
}

/**
 * A server with the stand-ins, each at the path that its true address has.
 *
 * @param others other contents of some files
 */
export async function publicData(
  folder: string,
  others: Readonly<Record<string, Buffer | string>> = {},
): Promise<PublicData> {
  const server = await webServer();
  const files: Record<string, Buffer> = {};
  const mirrors: Record<string, { url: string; md5: string; size: number }> = {};
  for (const [key, content] of Object.entries({ ...(await contents()), ...others })) {
    const file = FILES[key];
    if (file === undefined || !('urls' in file)) throw new Error(`${key} is not downloaded`);
    const { pathname } = new URL(file.urls[0]!);
    const body = Buffer.from(content);
    files[key] = body;
    server.files.set(pathname, { body });
    mirrors[key] = { url: `${server.url}${pathname}`, md5: md5(body), size: body.length };
  }
  const list = join(folder, 'downloads.json');
  writeFileSync(list, JSON.stringify(mirrors));
  return { server, files, list, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** Puts a record of Zenodo on a server. */
export function addRecord(server: WebServer, record: string, files: Readonly<Record<string, string>>): void {
  const list = Object.entries(files).map(([key, content]) => {
    const body = Buffer.from(content);
    server.files.set(`/records/${record}/files/${key}`, { body });
    return { id: 'x', key, size: body.length, checksum: `md5:${md5(body)}` };
  });
  server.files.set(`/api/records/${record}`, {
    body: Buffer.from(JSON.stringify({ id: Number(record), files: list })),
  });
}
