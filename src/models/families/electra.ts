import { BERT, BERT_KEYS } from './bert.js';
import type { Family } from './family.js';

/** ELECTRA (Clark et al. 2020): BERT with embeddings that may be narrower than the layers. */
export const ELECTRA: Family = {
  ...BERT,
  name: 'electra',
  className: 'Electra',
  keys: { ...BERT_KEYS, embeddingSize: 'embedding_size' },
  defaults: {
    ...BERT.defaults,
    embedding_size: 128,
    hidden_size: 256,
    intermediate_size: 1024,
    num_attention_heads: 4,
    summary_activation: 'gelu',
    summary_last_dropout: 0.1,
    summary_type: 'first',
    summary_use_proj: true,
  },
  classifier: {
    dense: { name: 'classifier.dense', activation: 'gelu' },
    output: 'classifier.out_proj',
    dropsInput: true,
  },
  tensors: { ...BERT.tensors, prefix: 'electra', ignored: /^(discriminator_predictions\.|generator_)/ },
  tokenizer: { className: 'ElectraTokenizerFast', tokenTypes: true },
};
