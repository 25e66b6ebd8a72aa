import { join } from 'node:path';
import { DatasetRegistry } from '../../src/data/registry.js';
import type { RerankRunsOptions } from '../../src/rerank/rerank-options.js';
import { writeFiles } from './files.js';
import { copyModel, expectedPairs, modelFolder, type ScoredPair } from './models.js';

/**
 * A test collection over the golden pairs: topic qN is pair N's query, document dN its document. The first stage ranks
 * all documents for two topics, so the re-ranked score of (qN, dN) is the golden one.
 */
export async function writeCollection(folder: string): Promise<ScoredPair[]> {
  const pairs = (await expectedPairs()).slice(0, 6);
  const tsv = (text: string): string => text.replaceAll(/[\t\n\r]+/g, ' ');
  const topics = ['q0', 'q1'];
  await copyModel(join(folder, 'mono-rank')); // runs go below the model's folder
  await writeFiles(folder, {
    'data/docs.tsv': pairs.map((pair, i) => `d${i}\t${tsv(pair.document)}\n`).join(''),
    'data/queries.tsv': pairs.map((pair, i) => `q${i}\t${tsv(pair.query)}\n`).join(''),
    'data/test.qrels': 'q0 0 d0 3\nq0 0 d3 1\nq1 0 d1 2\nq1 0 d2 0\n',
    [`data/${RUN_NAME}`]: topics
      .flatMap((topic) => pairs.map((_, i) => `${topic} Q0 d${i} ${i + 1} ${10 - i} bm25\n`))
      .join(''),
    'config.yaml': [
      'datasets:',
      '  tiny-set: {docs: data/docs.tsv, queries: data/queries.tsv, qrels: data/test.qrels}',
      'data:',
      '  inference_datasets:',
      '    - run_path_or_id: data/__bm25__tiny-set.run',
      'model:',
      '  model_name_or_path: mono-rank',
      '  evaluation_metrics: [nDCG@10]',
      '',
    ].join('\n'),
  });
  return pairs;
}

/** Of the first stage's run of the test collection, and so of the re-ranked one. */
export const RUN_NAME = '__bm25__tiny-set.run';
/** Re-ranks the test collection in the current folder, and writes the run below the model's folder. */
export const RE_RANK = ['re_rank', '--config', 'config.yaml', '--trainer.callbacks+=ReRankCallback'];
/** Writes it into `out`. */
export const INTO_OUT = [...RE_RANK, '--trainer.callbacks.save_dir=out'];

/** From TypeScript, what `RE_RANK` does in a folder. */
export function rerankOptions(folder: string, more: Partial<RerankRunsOptions> = {}): RerankRunsOptions {
  const registry = new DatasetRegistry();
  const file = (name: string): string => join(folder, 'data', name);
  registry.register('tiny-set', { docs: file('docs.tsv'), queries: file('queries.tsv'), qrels: file('test.qrels') });
  const runs = [{ runPathOrId: file(RUN_NAME) }];
  return { model: join(folder, 'mono-rank'), runs, registry, metrics: ['nDCG@10'], ...more };
}

/** The test collection with so many topics of six documents, in several runs; `t0` … all ask nearly the same. */
export async function writeLongCollection(folder: string, topics: number, runs = ['__bm25__tiny-set']): Promise<void> {
  const [pair] = await writeCollection(folder);
  const ids = Array.from({ length: topics }, (_, topic) => `t${topic}`);
  const query = pair!.query.replaceAll(/[\t\n\r]+/g, ' ');
  const lines = ids.flatMap((id) => Array.from({ length: 6 }, (_, i) => `${id} Q0 d${i} ${i + 1} ${10 - i} bm25\n`));
  await writeFiles(folder, {
    'data/queries.tsv': ids.map((id, topic) => `${id}\t${query} ${topic}\n`).join(''),
    'data/test.qrels': ids.map((id) => `${id} 0 d0 1\n`).join(''),
    ...Object.fromEntries(runs.map((name) => [`data/${name}.run`, lines.join('')])),
  });
}

/** Topics of the collection; `t0` … are for training and `v0` … for validation. */
const TRAINING_TOPICS = 6;
const VALIDATION_TOPICS = 3;

/**
 * A collection to train on: every topic asks for a word, relevant documents hold it, and a first stage ranks `docs`
 * documents for each topic. The teacher's ranking puts the relevant ones first. `config.yaml` trains the tiny model of the
 * golden references on it.
 *
 * @param docs documents of the collection and of each ranking
 */
export async function writeTrainingCollection(folder: string, docs = 12): Promise<void> {
  const words = [...new Set((await expectedPairs()).flatMap(({ document }) => document.match(/[A-Za-z]{5,}/g) ?? []))];
  const word = (i: number): string => words[i % words.length]!.toLowerCase();
  const training = Array.from({ length: TRAINING_TOPICS }, (_, i) => ({ id: `t${i}`, topic: i }));
  const validation = Array.from({ length: VALIDATION_TOPICS }, (_, i) => ({ id: `v${i}`, topic: i + 1 }));
  const topics = [...training, ...validation];
  const isRelevant = (topic: number, doc: number): boolean => (doc * 7 + topic) % 4 === 0;
  const text = (doc: number): string => {
    const about = Array.from({ length: TRAINING_TOPICS }, (_, topic) => topic).filter((topic) =>
      isRelevant(topic, doc),
    );
    return [...about.map(word), word(doc + 11), word(doc * 3 + 20), word(doc * 5 + 31)].join(' ');
  };
  const ids = Array.from({ length: docs }, (_, doc) => doc);
  const lines = (id: string, order: readonly number[]): string =>
    order.map((doc, i) => `${id} Q0 d${doc} ${i + 1} ${docs - i} x\n`).join('');
  const firstStage = (topic: number): number[] =>
    ids.toSorted((a, b) => ((a * 5 + topic) % 13) - ((b * 5 + topic) % 13));
  const teacher = (topic: number): number[] =>
    ids.toSorted((a, b) => Number(isRelevant(topic, b)) - Number(isRelevant(topic, a)));
  const qrels = (group: typeof topics): string =>
    group.flatMap(({ id, topic }) => ids.map((doc) => `${id} 0 d${doc} ${Number(isRelevant(topic, doc))}\n`)).join('');
  await writeFiles(folder, {
    'data/docs.tsv': ids.map((doc) => `d${doc}\t${text(doc)}\n`).join(''),
    'data/queries.tsv': topics.map(({ id, topic }) => `${id}\t${word(topic)}\n`).join(''),
    'data/train.qrels': qrels(training),
    'data/dev.qrels': qrels(validation),
    'data/train.run': training.map(({ id, topic }) => lines(id, firstStage(topic))).join(''),
    'data/teacher.run': training.map(({ id, topic }) => lines(id, teacher(topic))).join(''),
    'data/dev.run': validation.map(({ id, topic }) => lines(id, firstStage(topic))).join(''),
    'config.yaml': CONFIG,
  });
}

/** Lines are named by the tests of bad input. */
const CONFIG = `seed_everything: 7
datasets:
  train: {docs: data/docs.tsv, queries: data/queries.tsv, qrels: data/train.qrels}
  dev: {docs: data/docs.tsv, queries: data/queries.tsv, qrels: data/dev.qrels}
trainer:
  max_steps: 6
  log_every_n_steps: 1
  default_root_dir: out
data:
  train_batch_size: 2
  train_dataset:
    run_path_or_id: data/train.run
    dataset: train
    depth: 10
    sample_size: 4
    sampling_strategy: single_relevant
    targets: relevance
  inference_datasets:
    - {run_path_or_id: data/dev.run, dataset: dev, depth: 8, targets: relevance}
model:
  model_name_or_path: ${modelFolder()}
  loss_functions: [InfoNCE]
  evaluation_metrics: [nDCG@10, loss]
optimizer: {class_path: AdamW, init_args: {lr: 1.0e-03}}
`;
