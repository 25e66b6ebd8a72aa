import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Kind } from '../kind.js';
import { mutateBytes, mutateJson, oddText, pick } from '../mutate.js';

const TREC = Buffer.from(Array.from({ length: 40 }, (_, i) => `q${i % 4} Q0 d${i} ${i} ${40 - i} bm25\n`).join(''));
const RECORDS = Array.from({ length: 12 }, (_, i) => {
  return {
    query_id: `q${i % 3}`,
    doc_id: `d${i}`,
    rank: i,
    score: -i / 3,
    query: 'what',
    text: 'this é',
    relevance: i % 2,
  };
});
const JSON_RUNS: readonly unknown[] = [
  RECORDS,
  { query_id: { 0: 'q1', 1: 'q1' }, doc_id: { 0: 'd1', 1: 'd2' }, score: { 0: 3, 1: 2.5 } },
  { qid: ['q1', 'q2'], docno: ['d1', 'd1'], rank: [1, 1], iteration: ['0', '0'] },
];
const GOLDEN = new URL('../../../test/data/golden/', import.meta.url);
const PARQUET = readdirSync(GOLDEN)
  .filter((name) => name.endsWith('.parquet'))
  .map((name) => readFileSync(new URL(name, GOLDEN)));
const FOOTER_BYTES = 600;

export const kind: Kind = {
  name: 'mutated runs',
  tries: { full: 20_000, short: 120 },
  open({ api, folder }) {
    return async (random) => {
      const [suffix, bytes] = pick<() => [string, string | Buffer]>(random, [
        () => ['.run', mutateBytes(random, TREC)],
        () => ['.run', `q1 Q0 ${oddText(random)} 1 0.5 bm25\n`],
        () => ['.json', mutateJson(random, pick(random, JSON_RUNS))],
        () => ['.jsonl', RECORDS.map((record) => mutateJson(random, record)).join('\n')],
        () => ['.jsonl', mutateBytes(random, Buffer.from(RECORDS.map((record) => JSON.stringify(record)).join('\n')))],
        () => ['.run.gz', mutateBytes(random, gzipSync(TREC))],
        () => ['.json.gz', gzipSync(mutateJson(random, pick(random, JSON_RUNS)))],
        () => {
          const original = pick(random, PARQUET);
          if (random.below(2) === 0) return ['.parquet', mutateBytes(random, original)];
          const start = original.length - FOOTER_BYTES;
          return [
            '.parquet',
            Buffer.concat([original.subarray(0, start), mutateBytes(random, original.subarray(start))]),
          ];
        },
      ])();
      const path = join(folder, `x${suffix}`);
      writeFileSync(path, bytes);
      await api.readRun(path, { ignoreRanks: random.below(4) === 0 });
    };
  },
};
