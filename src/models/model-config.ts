import type { Activation, DropoutRates, EncoderConfig, Pooling } from '../../binding.js';
import type { Family } from './families/family.js';
import { FAMILY_NAMES, familyOfClass, familyOfType } from './families/registry.js';
import type { JsonReader } from './json-file.js';
import { architecturesOf, refuseFamily, refuseUnbuilt } from './refuse-unbuilt.js';

/** lightning-ir's MonoConfig. `bias` is undefined if the config does not say; then the weights decide. */
export interface MonoSettings {
  queryLength: number | null;
  docLength: number | null;
  pooling: Pooling | 'bert_pool';
  scoring: 'rank' | 'mono';
  bias: boolean | undefined;
}

export type HeadSettings =
  /** `trained`: false for a backbone without a head. */
  | ({ kind: 'mono'; trained: boolean } & MonoSettings)
  /** `labels`: names by index. */
  | { kind: 'classification'; labels: string[] };

/** Training settings in config.json. */
export interface TrainingConfig {
  dropout: DropoutRates;
  /** Row of the word embeddings without gradient (torch.nn.Embedding's padding_idx); null if there is none. */
  padTokenId: number | null;
}

/** The parsed and checked config.json. */
export interface ModelConfig {
  family: Family;
  encoder: EncoderConfig;
  initializerRange: number;
  head: HeadSettings;
}

/**
 * model_type of lightning-ir's cross-encoders, newest first: `mono` since 0.0.4, `cross-encoder` before, and the
 * earliest names. The earliest state their backbone only in the type and the architecture.
 */
const LIGHTNING_IR_TYPES = ['mono', 'cross-encoder', 'mono-electra', 'mono-bert', 'mono-roberta'];

/** MonoConfig's defaults in lightning-ir 0.0.6, for keys that older configs do not have. */
const MONO_DEFAULTS = { queryLength: 32, docLength: 512, pooling: 'first', scoring: 'rank' } as const;

/** Published models have up to 1e-5; with 1, layers are far from normalized. */
const MOST_EPS = 1;

/** The deepest published encoders have 48. */
const MAX_LAYERS = 1_000;

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  relu: 'relu',
};

const POOLINGS: readonly string[] = ['first', 'mean', 'max', 'sum', 'bert_pool'] satisfies MonoSettings['pooling'][];

/** Parses config.json of any version. */
export function parseModelConfig(config: JsonReader): ModelConfig {
  refuseUnbuilt(config);
  const architectures = architecturesOf(config);
  const family = familyOf(config, architectures);
  return {
    family,
    encoder: parseEncoder(config, family),
    initializerRange: parseInitializerRange(config, family),
    head: parseHead(config, architectures),
  };
}

/** A larger standard deviation gives a head whose scores overflow. */
const MOST_INITIALIZER_RANGE = 100;

function parseInitializerRange(config: JsonReader, { defaults }: Family): number {
  const key = 'initializer_range';
  const range = config.number(key) ?? (defaults[key] as number);
  if (range >= 0 && range <= MOST_INITIALIZER_RANGE) return range;
  throw config.error(key, `expected a number from 0 to ${MOST_INITIALIZER_RANGE}, found ${range}`);
}

function familyOf(config: JsonReader, architectures: readonly string[]): Family {
  const modelType = config.string('model_type');
  const backbone = config.string('backbone_model_type') ?? modelType?.replace(/^mono-/, '');
  const named = backbone === undefined ? undefined : familyOfType(backbone);
  if (named) return named;
  if (modelType !== undefined && !LIGHTNING_IR_TYPES.includes(modelType)) refuseFamily(config, modelType);
  if (backbone !== undefined && !LIGHTNING_IR_TYPES.includes(backbone)) refuseFamily(config, backbone);
  for (const name of architectures) {
    const family = familyOfClass(name);
    if (family) return family;
  }
  if (architectures[0] !== undefined) refuseFamily(config, architectures[0]);
  throw config.error(
    'backbone_model_type',
    'is missing, and neither model_type nor architectures name the encoder',
    `Add "backbone_model_type": one of ${FAMILY_NAMES.join(', ')}.`,
  );
}

function parseEncoder(config: JsonReader, family: Family): EncoderConfig {
  const { keys, defaults } = family;
  const sizeOf = (key: string): number => config.size(key) ?? (defaults[key] as number);
  const hiddenSize = sizeOf(keys.hiddenSize);
  const heads = sizeOf(keys.heads);
  if (hiddenSize % heads !== 0) {
    throw config.error(keys.heads, `${heads} does not divide ${keys.hiddenSize} ${hiddenSize}`);
  }
  const activation = config.string(keys.activation) ?? (defaults[keys.activation] as string);
  if (!Object.hasOwn(ACTIVATIONS, activation)) {
    const known = Object.keys(ACTIVATIONS).join(', ');
    throw config.error(keys.activation, `${activation} is not supported`, `Supported: ${known}.`);
  }
  const layers = sizeOf(keys.layers);
  if (layers > MAX_LAYERS) throw config.error(keys.layers, `${layers} layers are too many`);
  const positionType = config.string('position_embedding_type') ?? 'absolute';
  if (positionType !== 'absolute') {
    throw config.error(
      'position_embedding_type',
      `${positionType} is not supported`,
      'Only absolute positions are supported.',
    );
  }
  const pruned = config.raw('pruned_heads');
  if (typeof pruned === 'object' && Object.keys(pruned as object).length > 0) {
    throw config.error('pruned_heads', 'models with pruned attention heads are not supported');
  }
  const layerNormEps = (keys.layerNormEps === undefined ? undefined : config.number(keys.layerNormEps)) ?? 1e-12;
  if (!(layerNormEps >= 0 && layerNormEps <= MOST_EPS)) {
    throw config.error(keys.layerNormEps ?? '', `expected a number from 0 to ${MOST_EPS}, found ${layerNormEps}`);
  }
  const vocabSize = sizeOf(keys.vocabSize);
  const positions = sizeOf(keys.maxPositions);
  const firstPosition = family.positionsAfterPadding ? rowAfterPadding(config, family, vocabSize) : 0;
  if (positions <= firstPosition) {
    throw config.error(keys.maxPositions, `${positions} leaves no position: they are counted from ${firstPosition}`);
  }
  return {
    vocabSize,
    embeddingSize: keys.embeddingSize === undefined ? hiddenSize : sizeOf(keys.embeddingSize),
    hiddenSize,
    layers,
    heads,
    intermediateSize: sizeOf(keys.intermediateSize),
    maxPositions: positions - firstPosition,
    firstPosition,
    typeVocabSize: keys.typeVocabSize === undefined ? 0 : sizeOf(keys.typeVocabSize),
    layerNormEps,
    activation: ACTIVATIONS[activation] as Activation,
  };
}

function rowAfterPadding(config: JsonReader, family: Family, vocabSize: number): number {
  const padding = padTokenIdOf(config, family, vocabSize);
  if (padding !== null) return padding + 1;
  throw config.error('pad_token_id', `is null, but ${family.className} counts positions from it`);
}

/** Without `architectures` in the config, the tensors decide whether there is a classifier. */
export function headFromTensors(
  config: JsonReader,
  parsed: ModelConfig,
  canonicalNames: readonly string[],
): HeadSettings {
  const isOpen = parsed.head.kind === 'mono' && !parsed.head.trained && architecturesOf(config).length === 0;
  const hasClassifier = canonicalNames.includes(`${parsed.family.classifier.output}.weight`);
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
    // MonoConfig keeps bert_pool as a separate flag beside pooling_strategy `first`
    pooling: config.boolean('_bert_pool') === true ? 'bert_pool' : (pooling as MonoSettings['pooling']),
    scoring,
    bias: config.boolean('linear_bias'),
  };
}

/** null in the file means that the side is not truncated; a missing key means the default. */
function lengthOf(config: JsonReader, key: string, missing: number): number | null {
  return config.has(key) ? (config.size(key) ?? null) : missing;
}

/** Names of the labels; transformers defaults to two labels. */
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

/** Reads the keys of config.json that only training needs; lightning-ir's heads have no dropout. */
export function parseTrainingConfig(config: JsonReader, { family, encoder, head }: ModelConfig): TrainingConfig {
  const { keys, classifier, defaults } = family;
  const rate = (key: string): number | undefined =>
    rateOf(config, key) ?? (defaults[key] as number | null) ?? undefined;
  const hidden = rate(keys.hiddenDropout) as number;
  const ofClassifier = head.kind === 'classification' ? (rate(keys.classifierDropout) ?? hidden) : 0;
  return {
    dropout: {
      embeddings: hidden,
      attentionWeights: rate(keys.attentionDropout) as number,
      attentionOutput: family.dropsAttentionOutput ? hidden : 0,
      layerOutput: hidden,
      headInput: classifier.dropsInput ? ofClassifier : 0,
      headHidden: ofClassifier,
    },
    padTokenId: padTokenIdOf(config, family, encoder.vocabSize),
  };
}

function rateOf(config: JsonReader, key: string): number | undefined {
  const rate = config.number(key);
  if (rate === undefined || (rate >= 0 && rate < 1)) return rate;
  throw config.error(key, `expected a probability from 0 to below 1, found ${rate}`);
}

/** Negative ids count from the end, as in torch.nn.Embedding. */
function padTokenIdOf(config: JsonReader, { defaults }: Family, vocabSize: number): number | null {
  if (!config.has('pad_token_id')) return defaults['pad_token_id'] as number;
  const id = config.number('pad_token_id');
  if (id === undefined) return null;
  if (Number.isInteger(id) && id >= -vocabSize && id < vocabSize) return id < 0 ? vocabSize + id : id;
  throw config.error('pad_token_id', `expected the id of one of ${vocabSize} tokens, found ${id}`);
}
