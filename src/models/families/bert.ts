import type { EncoderKeys, Family } from './family.js';

export const BERT_KEYS: EncoderKeys = {
  vocabSize: 'vocab_size',
  embeddingSize: undefined,
  hiddenSize: 'hidden_size',
  layers: 'num_hidden_layers',
  heads: 'num_attention_heads',
  intermediateSize: 'intermediate_size',
  maxPositions: 'max_position_embeddings',
  typeVocabSize: 'type_vocab_size',
  layerNormEps: 'layer_norm_eps',
  activation: 'hidden_act',
  hiddenDropout: 'hidden_dropout_prob',
  attentionDropout: 'attention_probs_dropout_prob',
  classifierDropout: 'classifier_dropout',
};

/** BERT (Devlin et al. 2019). */
export const BERT: Family = {
  name: 'bert',
  className: 'Bert',
  keys: BERT_KEYS,
  defaults: {
    attention_probs_dropout_prob: 0.1,
    classifier_dropout: null,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0.1,
    hidden_size: 768,
    initializer_range: 0.02,
    intermediate_size: 3072,
    layer_norm_eps: 1e-12,
    max_position_embeddings: 512,
    num_attention_heads: 12,
    num_hidden_layers: 12,
    pad_token_id: 0,
    position_embedding_type: 'absolute',
    type_vocab_size: 2,
    use_cache: true,
    vocab_size: 30522,
  },
  positionsAfterPadding: false,
  dropsAttentionOutput: true,
  classifier: { dense: { name: 'pooler.dense', activation: 'tanh' }, output: 'classifier', dropsInput: false },
  tensors: { prefix: 'bert', layers: 'encoder.layer', inLayer: {}, ignored: undefined },
  tokenizer: { className: 'BertTokenizerFast', tokenTypes: true },
};
