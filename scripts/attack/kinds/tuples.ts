import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kind } from '../kind.js';
import { mutateBytes, mutateJson, pick } from '../mutate.js';

const DOCS = Array.from({ length: 20 }, (_, i) => `d${i}\ttext ${i}\n`).join('');
const QUERIES = Buffer.from(Array.from({ length: 5 }, (_, i) => `q${i}\tquery ${i}\n`).join(''));
const LINES: readonly ((i: number) => string)[] = [
  (i) => `q${i % 5}\td${i}\td${i + 1}`,
  (i) => `1.5\t${-i}\tq${i % 5}\td${i}\td${i + 1}`,
];
const RECORDS: readonly ((i: number) => unknown)[] = [
  (i) => [`q${i % 5}`, [`d${i}`, 2], [`d${i + 1}`, 1.5]],
  (i) => {
    return {
      qid: `q${i % 5}`,
      pos: [{ pid: `d${i}`, 'ce-score': 3 }],
      neg: { bm25: [{ pid: `d${i + 1}`, 'ce-score': 1 }] },
    };
  },
];
const rows = Array.from({ length: 8 }, (_, i) => i);

export const kind: Kind = {
  name: 'mutated tuples and their datasets',
  tries: { full: 10_000, short: 100 },
  open({ api, folder }) {
    const [docs, queries, docpairs] = ['docs.tsv', 'queries.tsv', 'pairs'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(docs, DOCS);
    return async (random) => {
      const line = pick(random, LINES);
      const record = pick(random, RECORDS);
      writeFileSync(queries, random.below(4) === 0 ? mutateBytes(random, QUERIES) : QUERIES);
      writeFileSync(
        docpairs,
        random.below(2) === 0
          ? mutateBytes(random, Buffer.from(rows.map(line).join('\n')))
          : rows
              .map((i) => (random.below(4) === 0 ? mutateJson(random, record(i)) : JSON.stringify(record(i))))
              .join('\n'),
      );
      const id = pick(random, ['my-set/train', '__proto__', 'constructor']);
      const registry = new api.DatasetRegistry();
      registry.register(id, { docs, queries, docpairs });
      const targets = pick(random, ['order', 'score'] as const);
      const numDocs = pick(random, [null, 2]);
      const options = { tuplesDataset: id, targets, numDocs };
      await using dataset = await api.openTrainingDataset(options, {
        registry,
        indexing: { folder: join(folder, 'i') },
      });
      for await (const sample of dataset.epoch({ epoch: 0, shuffle: false })) void sample;
      rmSync(docpairs);
    };
  },
};
