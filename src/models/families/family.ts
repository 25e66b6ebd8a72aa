import type { HeadConfig } from '../../../binding.js';
import type { JsonObject } from '../json-file.js';

/** The keys of config.json for the settings of an encoder; undefined if the family has no such setting. */
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
  /** null or absent in the file means the rate of hidden states. */
  classifierDropout: string;
}

/** The properties in which encoder families differ. */
export interface Family {
  /** transformers' `model_type`, which lightning-ir calls `backbone_model_type`. */
  name: string;
  /** Prefix of the Python class names: `${className}ForSequenceClassification`, `Mono${className}Model`. */
  className: string;
  keys: EncoderKeys;
  /** transformers' defaults for keys missing in config.json; `save_pretrained` writes all of them. */
  defaults: JsonObject;
  /** Positions start at the row after the padding token's id, as in fairseq. */
  positionsAfterPadding: boolean;
  /** Whether dropout is applied to the attention output before it is added to the residual stream. */
  dropsAttentionOutput: boolean;
  /** The head of `${className}ForSequenceClassification`, on the first row. */
  classifier: {
    dense: NonNullable<HeadConfig['dense']>;
    /** Name of the output layer's tensors. */
    output: string;
    /** Whether dropout is also applied to the row before the dense layer. */
    dropsInput: boolean;
  };
  tensors: TensorNames;
  tokenizer: FamilyTokenizer;
}

/**
 * Names of the encoder's tensors in a family's files. The engine uses BERT's names, see `NamedTensor` in binding.d.ts.
 */
export interface TensorNames {
  /** Prefix of names if the encoder is a member of the Python class. */
  prefix: string;
  /** The layers' list, for BERT `encoder.layer`. */
  layers: string;
  /** Names within a layer, by BERT's name; missing ones are the same as BERT's. */
  inLayer: Readonly<Record<string, string>>;
  /** Tensors from pre-training that no cross-encoder needs. */
  ignored: RegExp | undefined;
}

export interface FamilyTokenizer {
  /** transformers' fast class; lightning-ir uses it regardless of tokenizer_config.json. */
  className: string;
  /** Whether the two texts of a pair have different token types. */
  tokenTypes: boolean;
}

const LAYER = /^(.+?)\.(\d+)\.(.+)\.(weight|bias)$/;

/**
 * The engine's name for a tensor name in the file: without the prefix, and with `weight` and `bias` for LayerNorm,
 * which files converted from TensorFlow call gamma and beta.
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
