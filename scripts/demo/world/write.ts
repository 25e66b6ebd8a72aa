import { join } from 'node:path';
import { float32Text } from '../../../src/data/formats/columns.js';
import type { RunEntry } from '../../../src/data/records.js';
import { writeLines } from '../../lib/data.js';
import type { Split } from './entities.js';
import type { World } from './generate.js';

/** Ids that lead to the data in a configuration; run files are named after them, so that lightning-ir finds them. */
export const DATASET_IDS: Readonly<Record<Split, string>> = {
  train: 'invented-world/train',
  test: 'invented-world/test',
};

/** Where `writeWorld` puts a split's queries (`qid<TAB>query`), TREC qrels and TREC runs. */
interface SplitFiles {
  queries: string;
  qrels: string;
  bm25: string;
  teacher: string;
}

export interface WorldFiles extends Record<Split, SplitFiles> {
  /** `docid<TAB>text` */
  collection: string;
}

export function worldFiles(folder: string): WorldFiles {
  const files = (split: Split): SplitFiles => {
    const run = (name: string): string => `__${name}__${DATASET_IDS[split].replaceAll('/', '-')}.run`;
    return {
      queries: join(folder, `queries.${split}.tsv`),
      qrels: join(folder, `qrels.${split}.txt`),
      bm25: join(folder, run('bm25')),
      teacher: join(folder, run('teacher')),
    };
  };
  return { collection: join(folder, 'collection.tsv'), train: files('train'), test: files('test') };
}

export async function writeWorld(world: World, folder: string): Promise<WorldFiles> {
  const files = worldFiles(folder);
  const lines = world.passages.map(({ docId, text }) => `${docId}\t${text}`);
  await writeLines(files.collection, lines);
  for (const split of ['train', 'test'] as const) {
    const { queries, qrels, ...runs } = world[split];
    const at = files[split];
    const queryLines = queries.map(({ queryId, text }) => `${queryId}\t${text}`);
    await writeLines(at.queries, queryLines);
    const qrelLines = qrels.map((qrel) => `${qrel.queryId} ${qrel.iteration} ${qrel.docId} ${qrel.relevance}`);
    await writeLines(at.qrels, qrelLines);
    for (const name of ['bm25', 'teacher'] as const) {
      const line = ({ queryId, docId, rank, score }: RunEntry): string =>
        `${queryId} Q0 ${docId} ${rank} ${float32Text(score)} ${name}`;
      await writeLines(at[name], runs[name].map(line));
    }
  }
  return files;
}
