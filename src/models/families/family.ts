import type { HeadConfig } from '../../../binding.js';
import type { JsonObject } from '../json-file.js';

/** The keys of config.json that mean the settings of an encoder; undefined where the family has no such setting. */
export interface EncoderKeys {
  vocabSize: string;
  embeddingSize: string | undefined;
  hiddenSize: string;
  layers: string;
  heads: string;
  intermediateSize: string;
  maxPositions: string;
  typeVocabSize: string | undefined;
  layerNormEps: string | undefined;
  activation: string;
  hiddenDropout: string;
  attentionDropout: string;
  /** null or absent in the file: the rate of hidden states. */
  classifierDropout: string;
}

/** All that sets an encoder family apart from the others. */
export interface Family {
  /** transformers' `model_type`, which lightning-ir calls `backbone_model_type`. */
  name: string;
  /** What the Python classes' names begin with: `${className}ForSequenceClassification`, `Mono${className}Model`. */
  className: string;
  keys: EncoderKeys;
  /** transformers' defaults, for keys that a config.json leaves out; `save_pretrained` writes all of them. */
  defaults: JsonObject;
  /** Positions are counted from the row after that of the padding token's id, as in fairseq. */
  positionsAfterPadding: boolean;
  /** Whether attention's output is dropped out before it is added to the residual stream. */
  dropsAttentionOutput: boolean;
  /** The head of `${className}ForSequenceClassification`, on the first row. */
  classifier: {
    dense: NonNullable<HeadConfig['dense']>;
    /** Name of the output layer's tensors. */
    output: string;
    /** Whether the row is dropped out before the dense layer, too. */
    dropsInput: boolean;
  };
  tensors: TensorNames;
  tokenizer: FamilyTokenizer;
}

/** How a family's files name the encoder's tensors. The engine knows BERT's names, see `NamedTensor` in binding.d.ts. */
export interface TensorNames {
  /** What names begin with where the encoder is a member of the Python class. */
  prefix: string;
  /** The layers' list, for BERT `encoder.layer`. */
  layers: string;
  /** Names within a layer by BERT's name; those that are missing are BERT's. */
  inLayer: Readonly<Record<string, string>>;
  /** Tensors that pre-training leaves behind and no cross-encoder needs. */
  ignored: RegExp | undefined;
}

export interface FamilyTokenizer {
  /** transformers' fast class; lightning-ir takes this one, whatever tokenizer_config.json says. */
  className: string;
  /** Whether the second text of a pair has another token type than the first. */
  tokenTypes: boolean;
}

const LAYER = /^(.+?)\.(\d+)\.(.+)\.(weight|bias)$/;

/**
 * The engine's name of a tensor for the name in the file: without the prefix, and with the names that LayerNorm's
 * parameters have had since the first BERT files were converted from TensorFlow.
 */
export function canonicalName(name: string, { tensors }: Family): string {
  const bare = (name.startsWith(`${tensors.prefix}.`) ? name.slice(tensors.prefix.length + 1) : name)
    .replace(/(^|\.)LayerNorm\.gamma$/, '$1LayerNorm.weight')
    .replace(/(^|\.)LayerNorm\.beta$/, '$1LayerNorm.bias');
  const [, layers, index, part, kind] = LAYER.exec(bare) ?? [];
  if (layers !== tensors.layers) return bare;
  const known = Object.entries(tensors.inLayer).find(([, own]) => own === part);
  return `encoder.layer.${index}.${known?.[0] ?? part}.${kind}`;
}

/** The family's name of a tensor of the encoder or the head, without the prefix. */
export function familyName(canonical: string, { tensors }: Family): string {
  const [, layers, index, part = '', kind] = LAYER.exec(canonical) ?? [];
  if (layers !== 'encoder.layer') return canonical;
  return `${tensors.layers}.${index}.${tensors.inLayer[part] ?? part}.${kind}`;
}
