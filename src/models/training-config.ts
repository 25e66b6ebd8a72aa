import type { JsonReader } from './json-file.js';
import type { ModelConfig } from './model-config.js';

/** What config.json says about training; rates are probabilities from 0 to below 1. */
export interface TrainingConfig {
  /** After the embeddings' LayerNorm and on the output of attention and feed-forward, before the residual. */
  hiddenDropout: number;
  /** On the attention probabilities. */
  attentionDropout: number;
  /** In a classification head; 0 for lightning-ir's heads, which have none. */
  classifierDropout: number;
  /** Row of the word embeddings that gets no gradient (torch.nn.Embedding's padding_idx); null: every row gets one. */
  padTokenId: number | null;
}

/** The default of ElectraConfig and BertConfig. */
const DEFAULT_DROPOUT = 0.1;

/** Reads the keys of config.json that only training needs, with the defaults of ElectraConfig and BertConfig. */
export function parseTrainingConfig(config: JsonReader, { encoder, head }: ModelConfig): TrainingConfig {
  const hiddenDropout = rateOf(config, 'hidden_dropout_prob') ?? DEFAULT_DROPOUT;
  const ofClassifier = rateOf(config, 'classifier_dropout') ?? hiddenDropout;
  return {
    hiddenDropout,
    attentionDropout: rateOf(config, 'attention_probs_dropout_prob') ?? DEFAULT_DROPOUT,
    classifierDropout: head.kind === 'classification' ? ofClassifier : 0,
    padTokenId: padTokenIdOf(config, encoder.vocabSize),
  };
}

function rateOf(config: JsonReader, key: string): number | undefined {
  const rate = config.number(key);
  if (rate === undefined || (rate >= 0 && rate < 1)) return rate;
  throw config.error(key, `expected a probability from 0 to below 1, found ${rate}`);
}

/** Negative ids count from the end, as in torch.nn.Embedding. */
function padTokenIdOf(config: JsonReader, vocabSize: number): number | null {
  if (!config.has('pad_token_id')) return 0;
  const id = config.number('pad_token_id');
  if (id === undefined) return null;
  if (Number.isInteger(id) && id >= -vocabSize && id < vocabSize) return id < 0 ? vocabSize + id : id;
  throw config.error('pad_token_id', `expected the id of one of ${vocabSize} tokens, found ${id}`);
}
