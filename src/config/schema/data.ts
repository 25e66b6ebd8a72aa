import { z } from 'zod';
import { classSpec, ignored, key, ours, slot } from './fields.js';
import { pathText } from './paths.js';

const allOr = (doc: string) => key(z.union([z.literal(-1), z.int().min(1)]).default(-1), doc);

/** `RunDatasetOptions` of the API. */
export const runDatasetOptions = z.strictObject({
  run_path_or_id: key(pathText(), 'Run file, or id of a registered dataset with scoreddocs.'),
  dataset: ours(
    z.string().min(1).nullable().default(null),
    'Id of the registered dataset with queries, docs and qrels; null: the file name tells it.',
  ),
  depth: allOr('Ranks to keep of each topic, by the rank column; -1: all.'),
  sample_size: allOr('Documents to take of each topic; topics with fewer are left out; -1: all.'),
  sampling_strategy: key(
    z.enum(['top', 'single_relevant', 'random', 'log_random', 'top_and_random']).default('top'),
    'How documents are taken; re_rank and validation know only top.',
  ),
  targets: key(
    z.enum(['relevance', 'subtopic_relevance', 'rank', 'score']).nullable().default(null),
    'What the model learns: grades of the qrels, or ranks or scores of the run.',
    'fit',
  ),
  normalize_targets: key(z.boolean().default(false), 'Scale the targets of a sample to 0 to 1.', 'fit'),
  add_docs_not_in_ranking: key(
    z.boolean().default(false),
    'Add judged documents that the run lacks, without a rank.',
    'fit',
  ),
});

/** `TupleDatasetOptions` of the API. */
export const tupleDatasetOptions = z.strictObject({
  tuples_dataset: key(z.string().min(1), 'Id of a registered dataset with docpairs, docs and queries.', 'fit'),
  targets: key(
    z.enum(['order', 'score']).default('order'),
    'order: the first document is the relevant one; score: the scores of the file.',
    'fit',
  ),
  num_docs: key(
    z.int().min(2).nullable().default(null),
    'Documents to take of each tuple, from its start; null: all. Tuples that are shorter are left out.',
    'fit',
  ),
});

const runDataset = classSpec('RunDataset', 'Topics with a ranked list of documents each.', runDatasetOptions);
const tupleDataset = classSpec(
  'TupleDataset',
  'Queries with a few documents each, as docpairs give them.',
  tupleDatasetOptions,
);

const dataset = slot([runDataset, tupleDataset], { implicit: 'RunDataset' });

const dataModule = classSpec('LightningIRDataModule', 'The data.', {
  inference_datasets: key(
    z.array(dataset).nullable().default(null),
    'Datasets that re_rank scores, one run each, and that fit validates on.',
  ),
  inference_batch_size: key(
    z.int().min(1).nullable().default(null),
    'Topics of a batch, as limits count them; the engine packs by tokens. null: 1.',
  ),
  train_dataset: key(dataset.nullable().default(null), 'Dataset that fit learns from.', 'fit'),
  train_batch_size: key(z.int().min(1).nullable().default(null), 'Topics of a training batch.', 'fit'),
  shuffle_train: key(z.boolean().default(true), 'Shuffle the topics each epoch.', 'fit'),
  num_workers: ignored('Loader processes of Python; does nothing here.', 0),
});

export const data = slot([dataModule], { implicit: 'LightningIRDataModule' });

const file = (doc: string) => key(pathText().nullable().default(null), doc);

/** Files of a dataset, the same for RegisterLocalDatasetCallback and the `datasets` section. */
export const datasetFiles = {
  docs: file('Documents: TSV or JSONL, gzip or not; or the id of a registered dataset whose documents to take.'),
  queries: file('Queries: TSV or JSONL; or an id.'),
  qrels: file('Judgements: TREC or TSV; or an id.'),
  docpairs: file('Training tuples; or an id.'),
  scoreddocs: file('A run file; or an id.'),
  qrels_defs: ignored('Meaning of the grades; does nothing here.'),
};
