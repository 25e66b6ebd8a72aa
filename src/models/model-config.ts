import type { Activation, EncoderConfig, Pooling } from '../../binding.js';
import type { JsonReader } from './json-file.js';
import { architecturesOf, refuseFamily, refuseUnbuilt } from './refuse-unbuilt.js';

export type Family = 'electra' | 'bert';

/** lightning-ir's MonoConfig. `bias` undefined: the config does not say, the file decides. */
export interface MonoSettings {
  queryLength: number | null;
  docLength: number | null;
  pooling: Pooling;
  scoring: 'rank' | 'mono';
  bias: boolean | undefined;
}

export type HeadSettings =
  /** `trained`: false for a backbone without a head. */
  | ({ kind: 'mono'; trained: boolean } & MonoSettings)
  /** `labels`: names by index. */
  | { kind: 'classification'; labels: string[] };

/** What config.json says, in our words and checked. */
export interface ModelConfig {
  family: Family;
  encoder: EncoderConfig;
  initializerRange: number;
  head: HeadSettings;
}

/**
 * model_type of lightning-ir's cross-encoders, newest first: `mono` since 0.0.4, `cross-encoder` before, and the names
 * of the first months. The two oldest name their backbone nowhere but in the type and the architecture.
 */
const LIGHTNING_IR_TYPES = ['mono', 'cross-encoder', 'mono-electra', 'mono-bert', 'mono-roberta'];

/** MonoConfig's defaults in lightning-ir 0.0.6, for keys that older configs do not have. */
const MONO_DEFAULTS = { queryLength: 32, docLength: 512, pooling: 'first', scoring: 'rank' } as const;

/** transformers' defaults of ElectraConfig and BertConfig, for keys that a config leaves out. */
const ENCODER_DEFAULTS = {
  electra: { embedding: 128, hidden: 256, layers: 12, heads: 4, intermediate: 1024 },
  bert: { embedding: 768, hidden: 768, layers: 12, heads: 12, intermediate: 3072 },
} as const;

/** The deepest published encoders have 48. */
const MAX_LAYERS = 1_000;

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  relu: 'relu',
};

const POOLINGS: readonly string[] = ['first', 'mean', 'max', 'sum', 'bert_pool'] satisfies Pooling[];

/** Reads config.json of any generation. */
export function parseModelConfig(config: JsonReader): ModelConfig {
  refuseUnbuilt(config);
  const architectures = architecturesOf(config);
  const family = familyOf(config, architectures);
  return {
    family,
    encoder: parseEncoder(config, family),
    initializerRange: config.number('initializer_range') ?? 0.02,
    head: parseHead(config, architectures),
  };
}

function familyOf(config: JsonReader, architectures: readonly string[]): Family {
  const modelType = config.string('model_type');
  const backbone = config.string('backbone_model_type') ?? modelType?.replace(/^mono-/, '');
  if (backbone === 'electra' || backbone === 'bert') return backbone;
  if (modelType !== undefined && !LIGHTNING_IR_TYPES.includes(modelType)) refuseFamily(config, modelType);
  if (backbone !== undefined && !LIGHTNING_IR_TYPES.includes(backbone)) refuseFamily(config, backbone);
  for (const name of architectures) {
    if (/^(Flash)?(Mono|CrossEncoder)?Electra[A-Z]/.test(name)) return 'electra';
    if (/^(Flash)?(Mono|CrossEncoder)?Bert[A-Z]/.test(name)) return 'bert';
  }
  if (architectures[0] !== undefined) refuseFamily(config, architectures[0]);
  throw config.error(
    'backbone_model_type',
    'is missing, and neither model_type nor architectures name the encoder',
    'Add "backbone_model_type": "electra" (or "bert").',
  );
}

function parseEncoder(config: JsonReader, family: Family): EncoderConfig {
  const defaults = ENCODER_DEFAULTS[family];
  const hiddenSize = config.size('hidden_size') ?? defaults.hidden;
  const heads = config.size('num_attention_heads') ?? defaults.heads;
  if (hiddenSize % heads !== 0) {
    throw config.error('num_attention_heads', `${heads} does not divide hidden_size ${hiddenSize}`);
  }
  const activation = config.string('hidden_act') ?? 'gelu';
  if (!Object.hasOwn(ACTIVATIONS, activation)) {
    throw config.error('hidden_act', `${activation} is not built`, `Built are ${Object.keys(ACTIVATIONS).join(', ')}.`);
  }
  const layers = config.size('num_hidden_layers') ?? defaults.layers;
  if (layers > MAX_LAYERS) throw config.error('num_hidden_layers', `${layers} layers are too many`);
  const positions = config.string('position_embedding_type') ?? 'absolute';
  if (positions !== 'absolute') {
    throw config.error('position_embedding_type', `${positions} is not built`, 'Built are absolute positions.');
  }
  const pruned = config.raw('pruned_heads');
  if (typeof pruned === 'object' && Object.keys(pruned as object).length > 0) {
    throw config.error('pruned_heads', 'models with pruned attention heads are not built');
  }
  const layerNormEps = config.number('layer_norm_eps') ?? 1e-12;
  if (!(layerNormEps >= 0)) throw config.error('layer_norm_eps', `${layerNormEps} is below 0`);
  return {
    vocabSize: config.size('vocab_size') ?? 30522,
    embeddingSize: family === 'electra' ? (config.size('embedding_size') ?? defaults.embedding) : hiddenSize,
    hiddenSize,
    layers,
    heads,
    intermediateSize: config.size('intermediate_size') ?? defaults.intermediate,
    maxPositions: config.size('max_position_embeddings') ?? 512,
    typeVocabSize: config.size('type_vocab_size') ?? 2,
    layerNormEps,
    activation: ACTIVATIONS[activation] as Activation,
  };
}

/** A config without `architectures` leaves it to the tensors whether there is a classifier. */
export function headFromTensors(
  config: JsonReader,
  parsed: ModelConfig,
  canonicalNames: readonly string[],
): HeadSettings {
  const isOpen = parsed.head.kind === 'mono' && !parsed.head.trained && architecturesOf(config).length === 0;
  const hasClassifier = canonicalNames.some((name) => /^classifier\.(out_proj\.)?weight$/.test(name));
  return isOpen && hasClassifier ? { kind: 'classification', labels: parseLabels(config) } : parsed.head;
}

function parseHead(config: JsonReader, architectures: readonly string[]): HeadSettings {
  const isLightningIr =
    LIGHTNING_IR_TYPES.includes(config.string('model_type') ?? '') ||
    config.has('backbone_model_type') ||
    architectures.some((name) => /^(Flash)?(Mono|CrossEncoder)/.test(name));
  if (isLightningIr) return { kind: 'mono', trained: true, ...parseMono(config) };
  if (architectures.some((name) => name.endsWith('ForSequenceClassification'))) {
    return { kind: 'classification', labels: parseLabels(config) };
  }
  const other = architectures.find((name) => /For(TokenClassification|QuestionAnswering|MultipleChoice)$/.test(name));
  if (other) throw config.error('architectures', `${other} gives no score for a pair`, 'Name a cross-encoder.');
  return { kind: 'mono', trained: false, ...parseMono(config) };
}

function parseMono(config: JsonReader): MonoSettings {
  const pooling = config.string('pooling_strategy') ?? MONO_DEFAULTS.pooling;
  if (!POOLINGS.includes(pooling)) {
    throw config.error('pooling_strategy', `${pooling} is not known`, `Known are ${POOLINGS.join(', ')}.`);
  }
  const scoring = config.string('scoring_strategy') ?? MONO_DEFAULTS.scoring;
  if (scoring !== 'rank' && scoring !== 'mono') {
    throw config.error('scoring_strategy', `${scoring} is not known`, 'Known are rank and mono.');
  }
  return {
    queryLength: lengthOf(config, 'query_length', MONO_DEFAULTS.queryLength),
    docLength: lengthOf(config, 'doc_length', MONO_DEFAULTS.docLength),
    // MonoConfig keeps bert_pool as a flag of its own beside pooling_strategy `first`
    pooling: config.boolean('_bert_pool') === true ? 'bert_pool' : (pooling as Pooling),
    scoring,
    bias: config.boolean('linear_bias'),
  };
}

/** null in the file means that the side is not truncated; a missing key means the default. */
function lengthOf(config: JsonReader, key: string, missing: number): number | null {
  return config.has(key) ? (config.size(key) ?? null) : missing;
}

/** Names of the labels; transformers takes two where a config says nothing. */
function parseLabels(config: JsonReader): string[] {
  const names = config.raw('id2label');
  if (names === undefined) {
    const count = config.size('num_labels') ?? 2;
    if (count > 100_000) throw config.error('num_labels', `${count} labels are too many`);
    return Array.from({ length: count }, (_, i) => `LABEL_${i}`);
  }
  if (typeof names !== 'object' || Array.isArray(names)) throw config.error('id2label', 'expected an object');
  const entries = Object.entries(names as Record<string, unknown>);
  const labels: string[] = [];
  for (const [index, label] of entries) {
    const i = Number(index);
    if (!Number.isInteger(i) || i < 0 || i >= entries.length) {
      throw config.error('id2label', `expected labels 0 to ${entries.length - 1}, found ${JSON.stringify(index)}`);
    }
    labels[i] = String(label);
  }
  if (labels.length === 0) throw config.error('id2label', 'names no label');
  return labels;
}
