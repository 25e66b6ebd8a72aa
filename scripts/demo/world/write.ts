import { join } from 'node:path';
import { float32Text } from '../../../src/data/formats/numbers.js';
import type { Qrel, RunEntry } from '../../../src/data/records.js';
import { writeAtomically } from '../../../src/io/atomic-write.js';
import type { World } from './generate.js';
import type { Split } from './types.js';

/** Ids that lead to the data in a configuration; run files are named after them, so that lightning-ir finds them. */
export const DATASET_IDS: Readonly<Record<Split, string>> = {
  train: 'invented-world/train',
  test: 'invented-world/test',
};

export type FirstStage = 'bm25' | 'teacher';

export interface WorldFiles {
  /** `docid<TAB>text` */
  collection: string;
  /** `qid<TAB>query` */
  queries: Record<Split, string>;
  /** TREC qrels. */
  qrels: Record<Split, string>;
  /** TREC runs. */
  runs: Record<Split, Record<FirstStage, string>>;
}

/** Where `writeWorld` puts the files. */
export function worldFiles(folder: string): WorldFiles {
  const bySplit = <T>(make: (split: Split) => T): Record<Split, T> => ({ train: make('train'), test: make('test') });
  const runPath = (split: Split, name: FirstStage): string =>
    join(folder, `__${name}__${DATASET_IDS[split].replaceAll('/', '-')}.run`);
  return {
    collection: join(folder, 'collection.tsv'),
    queries: bySplit((split) => join(folder, `queries.${split}.tsv`)),
    qrels: bySplit((split) => join(folder, `qrels.${split}.txt`)),
    runs: bySplit((split) => ({ bm25: runPath(split, 'bm25'), teacher: runPath(split, 'teacher') })),
  };
}

function runLine({ queryId, docId, rank, score }: RunEntry, tag: string): string {
  return `${queryId} Q0 ${docId} ${rank} ${float32Text(score)} ${tag}`;
}

function qrelLine({ queryId, iteration, docId, relevance }: Qrel): string {
  return `${queryId} ${iteration} ${docId} ${relevance}`;
}

async function writeLines(path: string, lines: readonly string[]): Promise<void> {
  await writeAtomically(path, (write) => write(lines.map((line) => `${line}\n`).join('')));
}

export async function writeWorld(world: World, folder: string): Promise<WorldFiles> {
  const files = worldFiles(folder);
  await writeLines(
    files.collection,
    world.passages.map(({ docId, text }) => `${docId}\t${text}`),
  );
  for (const split of ['train', 'test'] as const) {
    const { queries, qrels, ...runs } = world[split];
    await writeLines(
      files.queries[split],
      queries.map(({ queryId, text }) => `${queryId}\t${text}`),
    );
    await writeLines(files.qrels[split], qrels.map(qrelLine));
    for (const name of ['bm25', 'teacher'] as const) {
      await writeLines(
        files.runs[split][name],
        runs[name].map((entry) => runLine(entry, name)),
      );
    }
  }
  return files;
}
