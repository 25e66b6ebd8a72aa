import type { Checkpoint } from './checkpoint.js';
import { setMembers } from './json-members.js';
import type { ModelFiles } from './model-files.js';
import type { Family, MonoSettings } from './model-config.js';

/** The version whose layout is written: since 4.56 `dtype` is what `torch_dtype` was. */
const TRANSFORMERS_VERSION = '4.57.6';

/** Keys that transformers does not write: where the author had the model, and the dtype's old name. */
const LEFT_OUT = ['_name_or_path', 'torch_dtype'];

/** Defaults of BertConfig and ElectraConfig that transformers writes even when the config it read did not name them. */
const SHARED_DEFAULTS = {
  attention_probs_dropout_prob: 0.1,
  classifier_dropout: null,
  hidden_act: 'gelu',
  hidden_dropout_prob: 0.1,
  initializer_range: 0.02,
  layer_norm_eps: 1e-12,
  pad_token_id: 0,
  position_embedding_type: 'absolute',
  use_cache: true,
};

const FAMILY_DEFAULTS: Readonly<Record<Family, Readonly<Record<string, unknown>>>> = {
  bert: SHARED_DEFAULTS,
  electra: {
    ...SHARED_DEFAULTS,
    summary_activation: 'gelu',
    summary_last_dropout: 0.1,
    summary_type: 'first',
    summary_use_proj: true,
  },
};

/** lightning-ir's name for the tokenizer that it builds on (transformers' fast one of the family). */
const BACKBONE_TOKENIZERS: Readonly<Record<Family, string>> = {
  bert: 'BertTokenizerFast',
  electra: 'ElectraTokenizerFast',
};

/**
 * config.json of the saved model: the source's keys and what `save_pretrained` of lightning-ir 0.0.6 (a mono model) or
 * transformers (a classification model) writes besides.
 *
 * @param step optimizer steps, which lightning-ir notes while it trains
 */
export function savedConfig(source: Checkpoint, files: ModelFiles, step: number | undefined): Map<string, string> {
  const { encoder } = source;
  const config = new Map<string, string>();
  setMembers(config, { ...FAMILY_DEFAULTS[source.family], model_type: source.family });
  setMembers(config, {
    vocab_size: encoder.vocabSize,
    ...(source.family === 'electra' ? { embedding_size: encoder.embeddingSize } : {}),
    hidden_size: encoder.hiddenSize,
    num_hidden_layers: encoder.layers,
    num_attention_heads: encoder.heads,
    intermediate_size: encoder.intermediateSize,
    max_position_embeddings: encoder.maxPositions,
    type_vocab_size: encoder.typeVocabSize,
  });
  for (const [key, value] of files.config) config.set(key, value);
  for (const key of LEFT_OUT) config.delete(key);
  setMembers(config, {
    architectures: [source.modelClass],
    dtype: 'float32',
    transformers_version: TRANSFORMERS_VERSION,
    ...(step === undefined ? {} : { save_step: step }),
  });
  if (source.mono) setMono(config, source.family, source.mono);
  return config;
}

function setMono(config: Map<string, string>, family: Family, mono: MonoSettings): void {
  const usesBertPool = mono.pooling === 'bert_pool';
  if (!config.has('tokenizer_pattern')) setMembers(config, { tokenizer_pattern: null });
  setMembers(config, {
    _bert_pool: usesBertPool,
    adapter_config: null,
    backbone_model_type: family,
    doc_length: mono.docLength,
    linear_bias: mono.bias,
    model_type: 'mono',
    pooling_strategy: usesBertPool ? 'first' : mono.pooling,
    pretrained_adapter_name_or_path: null,
    query_length: mono.queryLength,
    scoring_strategy: mono.scoring,
    use_adapter: false,
  });
}

/** tokenizer_config.json of the saved model; a classification model's tokenizer is left as it is. */
export function savedTokenizerConfig({ family, mono }: Checkpoint, files: ModelFiles): Map<string, string> {
  const config = new Map(files.tokenizerConfig);
  if (!mono) return config;
  setMembers(config, {
    backbone_tokenizer_class: BACKBONE_TOKENIZERS[family],
    doc_length: mono.docLength,
    query_length: mono.queryLength,
    scoring_strategy: mono.scoring,
    tokenizer_class: 'CrossEncoderTokenizer',
  });
  return config;
}
