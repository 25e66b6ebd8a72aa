import type { MonoSettings } from './model-config.js';

interface ExternalModel {
  settings: MonoSettings;
  /** Canonical names of our mono head by the canonical names in the file. */
  names: ReadonlyMap<string, string>;
}

/** Castorini's monoBERT: BERT's pooler and a classifier of two labels, scored by log_softmax[1]. */
const MONO_BERT: ExternalModel = {
  settings: { queryLength: 32, docLength: 512, pooling: 'bert_pool', scoring: 'mono', bias: true },
  names: new Map([
    ['classifier.weight', 'linear.weight'],
    ['classifier.bias', 'linear.bias'],
    ['pooler.dense.weight', 'bert_pool.0.weight'],
    ['pooler.dense.bias', 'bert_pool.0.bias'],
  ]),
};

/** Published models of others that lightning-ir knows by name (models/register_external_models.py). */
export const EXTERNAL_MODELS: ReadonlyMap<string, ExternalModel> = new Map([
  ['castorini/monobert-large-msmarco', MONO_BERT],
  ['castorini/monobert-large-msmarco-finetune-only', MONO_BERT],
]);
