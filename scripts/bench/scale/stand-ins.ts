import { once } from 'node:events';
import { closeSync, createWriteStream, openSync, writeSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { fileWriter, ParquetWriter } from 'hyparquet-writer';
import { pack } from 'tar-stream';
import { Random } from '../../demo/random.js';

// Files of the sizes and shapes of MS MARCO's, with made-up text. They are written fast enough that a run at full size
// spends its time on what is measured.

/** Passages of MS MARCO v1. Its collection.tsv has 3.06 GB. */
export const V1_PASSAGES = 8_841_823;
/** Passages of MS MARCO v2, in 70 gzip files of one tar. */
export const V2_PASSAGES = 138_364_198;
const V2_FILES = 70;

const POOL_BYTES = 32 * 2 ** 20;
const BLOCK_BYTES = 4 * 2 ** 20;
const MOST_WORDS = 300;
/** Rows of a row group: hyparquet-writer takes twice as long with 100,000. */
const ROWS_TOGETHER = 10_000;
const TAB = 9;
const LF = 10;

/**
 * Words of English's lengths and frequencies, the k-th most frequent one with probability 1 / k. One in 500 is not
 * ASCII, so that a tenth of the passages are not, as in MS MARCO.
 */
class Prose {
  readonly #random: Random;
  readonly #pool = Buffer.alloc(POOL_BYTES);
  /** Where words start. */
  readonly #starts: Uint32Array;

  constructor(seed: number) {
    const random = new Random(seed);
    this.#random = random;
    const words = Array.from({ length: 50_000 }, (_, rank) => {
      const length = Math.max(1, Math.round(Math.log2(rank + 2) / 2.2 + 3 * random.next() - 0.5));
      const letters = Array.from({ length }, () => String.fromCharCode(97 + random.below(26))).join('');
      return Buffer.from(`${rank % 500 === 499 ? `${letters}\u00e9` : letters} `);
    });
    const starts: number[] = [];
    for (let at = 0; ;) {
      const word = words[Math.floor(words.length ** random.next()) - 1]!;
      if (at + word.length > POOL_BYTES) break;
      starts.push(at);
      at += word.copy(this.#pool, at);
    }
    this.#starts = Uint32Array.from(starts);
  }

  /** Writes a passage of some 57 words (log-normal) and returns where it ends. */
  writeInto(target: Buffer, at: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.#random.next())) * Math.cos(2 * Math.PI * this.#random.next());
    const words = Math.min(MOST_WORDS, Math.max(3, Math.round(58 * Math.exp(0.45 * normal))));
    const first = this.#random.below(this.#starts.length - words - 1);
    return at + this.#pool.copy(target, at, this.#starts[first], this.#starts[first + words]! - 1);
  }
}

/** Blocks of lines; `writeLine` writes one without its end and returns where it ends. */
function* blocksOfLines(
  count: number,
  writeLine: (target: Buffer, at: number, number: number) => number,
): Generator<Buffer> {
  const block = Buffer.alloc(BLOCK_BYTES + 64 * 1024);
  let at = 0;
  for (let number = 0; number < count; number++) {
    at = writeLine(block, at, number);
    block[at++] = LF;
    if (at < BLOCK_BYTES) continue;
    yield block.subarray(0, at);
    at = 0;
  }
  yield block.subarray(0, at);
}

function writeBlocks(path: string, blocks: Iterable<Buffer>): void {
  const file = openSync(path, 'w');
  try {
    for (const block of blocks) for (let done = 0; done < block.length;) done += writeSync(file, block, done);
  } finally {
    closeSync(file);
  }
}

/** A collection like MS MARCO v1's: `0<TAB>text`, one passage a line. */
export function writePassages(path: string, passages: number, seed = 42): void {
  const prose = new Prose(seed);
  writeBlocks(
    path,
    blocksOfLines(passages, (target, at, number) => {
      const end = at + target.write(String(number), at, 'latin1');
      target[end] = TAB;
      return prose.writeInto(target, end + 1);
    }),
  );
}

/** A collection like MS MARCO v2's: a tar of gzip files of JSON lines. Returns the number of bytes in those lines. */
export async function writePassagesV2(path: string, passages: number, seed = 42): Promise<number> {
  const prose = new Prose(seed);
  const tar = pack();
  const written = once(tar.pipe(createWriteStream(path)), 'close');
  let bytes = 0;
  for (let file = 0; file < V2_FILES; file++) {
    const name = String(file).padStart(2, '0');
    const lines = blocksOfLines(passagesOfFileV2(file, passages), (target, at, number) => {
      const head = at + target.write(`{"pid": "${idV2(file, number)}", "passage": "`, at, 'latin1');
      const end = prose.writeInto(target, head);
      return (
        end + target.write(`", "spans": "(0,${end - head})", "docid": "msmarco_doc_${name}_${number}"}`, end, 'latin1')
      );
    });
    const members: Buffer[] = [];
    for (const block of lines) {
      bytes += block.length;
      members.push(gzipSync(block, { level: 1 })); // a gzip file may have several members
    }
    const path = `msmarco_v2_passage/msmarco_passage_${name}.gz`;
    await new Promise((done) => tar.entry({ name: path }, Buffer.concat(members), done));
  }
  tar.finalize();
  await written;
  return bytes;
}

/** How many passages one of its files has. */
export function passagesOfFileV2(file: number, passages: number): number {
  return Math.floor(((file + 1) * passages) / V2_FILES) - Math.floor((file * passages) / V2_FILES);
}

/** The id of a passage of `writePassagesV2`. */
export function idV2(file: number, number: number): string {
  return `msmarco_passage_${String(file).padStart(2, '0')}_${number}`;
}

/** A run of `topics` queries with `depth` passages each, drawn from the first `passages`. */
interface RunShape {
  topics: number;
  depth: number;
  passages: number;
}

/** Document of a rank: spread over the collection, no document twice in a topic. */
function documentAt({ passages }: RunShape, topic: number, rank: number): number {
  return (topic * 7919 + rank * 104_729) % passages;
}

function scoreAt(topic: number, rank: number): number {
  return Math.fround(32 - Math.log(rank + 1) - (topic % 97) / 100);
}

/** A run as TREC's tools write it, topics one after the other. */
export function writeTrecRun(path: string, shape: RunShape): void {
  writeBlocks(
    path,
    blocksOfLines(shape.topics * shape.depth, (target, at, number) => {
      const topic = Math.floor(number / shape.depth);
      const rank = (number % shape.depth) + 1;
      const score = scoreAt(topic, rank).toFixed(6);
      return at + target.write(`${topic} Q0 ${documentAt(shape, topic, rank)} ${rank} ${score} bm25`, at, 'latin1');
    }),
  );
}

/** A run in Parquet, as lightning-ir's datasets are: `query_id` and `doc_id` as text, `rank`, `score`. */
export async function writeParquetRun(path: string, shape: RunShape): Promise<void> {
  const text: Partial<SchemaElement> = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' };
  const schema = [
    { name: 'schema', num_children: 4 },
    { name: 'query_id', ...text },
    { name: 'doc_id', ...text },
    { name: 'rank', type: 'INT32', repetition_type: 'REQUIRED' },
    { name: 'score', type: 'FLOAT', repetition_type: 'REQUIRED' },
  ] as SchemaElement[];
  const writer = new ParquetWriter({ writer: fileWriter(path), schema, statistics: false, codec: 'UNCOMPRESSED' });
  const topicsAtOnce = Math.ceil(ROWS_TOGETHER / shape.depth);
  for (let first = 0; first < shape.topics; first += topicsAtOnce) {
    const rows = (Math.min(first + topicsAtOnce, shape.topics) - first) * shape.depth;
    const ofRow = <T>(value: (topic: number, rank: number) => T): T[] =>
      Array.from({ length: rows }, (_, row) => value(first + Math.floor(row / shape.depth), (row % shape.depth) + 1));
    await writer.write({
      columnData: [
        { name: 'query_id', data: ofRow((topic) => String(topic)) },
        // nearly all ids of a row group differ, so that a dictionary is given up
        { name: 'doc_id', data: ofRow((topic, rank) => String(documentAt(shape, topic, rank))), encoding: 'PLAIN' },
        { name: 'rank', data: ofRow((_, rank) => rank) },
        { name: 'score', data: ofRow(scoreAt), encoding: 'PLAIN' },
      ],
      rowGroupSize: rows,
    });
  }
  await writer.finish();
}
