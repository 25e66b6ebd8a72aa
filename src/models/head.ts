import type { HeadConfig, NamedTensor } from '../../binding.js';
import { plainScalar } from '../config/plain-scalar.js';
import type { OptionsOf } from '../config/read-settings.js';
import type { monoOptions } from '../config/schema/model.js';
import type { JsonReader } from './json-file.js';
import type { ModelConfig, MonoSettings } from './model-config.js';

/** Fields of lightning-ir's MonoConfig that the caller sets; omitted ones come from the model's config.json. */
export type MonoOverrides = OptionsOf<typeof monoOptions>;

/** Third-party models that lightning-ir knows by name (models/register_external_models.py). */
export interface ExternalModel {
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

/** Name of the output layer's tensors in lightning-ir's models. */
export const MONO_OUTPUT = 'linear';

export const EXTERNAL_MODELS: ReadonlyMap<string, ExternalModel> = new Map([
  ['castorini/monobert-large-msmarco', MONO_BERT],
  ['castorini/monobert-large-msmarco-finetune-only', MONO_BERT],
]);

export function applyOverrides(settings: MonoSettings, overrides: MonoOverrides): MonoSettings {
  return {
    queryLength: overrides.queryLength === undefined ? settings.queryLength : overrides.queryLength,
    docLength: overrides.docLength === undefined ? settings.docLength : overrides.docLength,
    pooling: overrides.poolingStrategy ?? settings.pooling,
    scoring: overrides.scoringStrategy ?? settings.scoring,
    bias: overrides.linearBias ?? settings.bias,
  };
}

/** lightning-ir's MonoModel: pooled row, (dense and tanh for bert_pool), linear. */
export function monoHead(settings: MonoSettings, hasBias: boolean): HeadConfig {
  const usesBertPool = settings.pooling === 'bert_pool';
  const logSoftmax = settings.scoring === 'mono';
  return {
    pooling: settings.pooling === 'bert_pool' ? 'first' : settings.pooling,
    dense: usesBertPool ? { name: 'bert_pool.0', activation: 'tanh' } : undefined,
    // lightning-ir's default for configs without the key: no bias unless the file has one
    output: { name: MONO_OUTPUT, labels: logSoftmax ? 2 : 1, bias: settings.bias ?? hasBias },
    label: logSoftmax ? 1 : 0,
    logSoftmax,
  };
}

const LABEL_HINT =
  'Choose the label whose logit is the score, by index or name: --label of `score`, --model.label of `re_rank` and ' +
  '`fit`, label in TypeScript.';

/** The head of transformers' sequence classification models. @param wanted a label's index or name */
export function classificationHead(
  config: JsonReader,
  { family, head }: ModelConfig,
  wanted: number | string | undefined,
): HeadConfig {
  const names = head.kind === 'classification' ? head.labels : [];
  const list = names.map((name, i) => `${i} (${name})`).join(', ');
  if (wanted === undefined && names.length !== 1) {
    throw config.error('id2label', `the model has ${names.length} labels: ${list}`, LABEL_HINT);
  }
  const label = wanted === undefined ? 0 : indexOfLabel(names, String(wanted));
  if (!Number.isInteger(label) || label < 0 || label >= names.length || wanted === '') {
    throw config.error('id2label', `label ${JSON.stringify(wanted)} is not one of ${list}`, LABEL_HINT);
  }
  const { dense, output } = family.classifier;
  return {
    pooling: 'first',
    dense,
    output: { name: output, labels: names.length, bias: true },
    label,
    logSoftmax: false,
  };
}

/** Names are tried before indices. YAML may have parsed the label, so `yes` also matches `true`. */
function indexOfLabel(names: readonly string[], wanted: string): number {
  if (names.includes(wanted)) return names.indexOf(wanted);
  const read = plainScalar(wanted);
  const alike = typeof read === 'boolean' ? names.filter((name) => plainScalar(name) === read) : [];
  return alike.length === 1 ? names.indexOf(alike[0] as string) : Number(wanted);
}

/**
 * Tensors that may be missing in the file: the whole head of a bare backbone, else only those that an override adds.
 */
export function freshParts({ head }: ModelConfig, overrides: MonoOverrides, { dense }: HeadConfig): Set<string> {
  const parts = new Set<string>();
  if (head.kind !== 'mono') return parts;
  if (!head.trained) parts.add(`${MONO_OUTPUT}.weight`);
  if (!head.trained || overrides.linearBias === true) parts.add(`${MONO_OUTPUT}.bias`);
  if (dense && (!head.trained || overrides.poolingStrategy === 'bert_pool')) {
    for (const part of ['weight', 'bias']) parts.add(`${dense.name}.${part}`);
  }
  return parts;
}

/**
 * Initializes the missing tensors of a head as transformers initializes a Linear layer: weights N(0, initializerRange),
 * biases 0. The values depend on the order of `shapes`.
 */
export function freshTensors(
  shapes: ReadonlyMap<string, readonly number[]>,
  initializerRange: number,
  seed: number,
): NamedTensor[] {
  const normal = seededNormals(seed);
  return [...shapes].map(([name, shape]) => {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    if (name.endsWith('.weight')) for (let i = 0; i < values.length; i++) values[i] = normal() * initializerRange;
    return { name, dtype: 'float32', shape: [...shape], data: new Uint8Array(values.buffer) };
  });
}

/**
 * Numbers from N(0, 1) that depend only on the seed, on every machine: SplitMix64 (Steele, Lea, Flood 2014) gives
 * 53-bit uniforms in (0, 1], and the Box-Muller transform maps each pair to two normals.
 */
function seededNormals(seed: number): () => number {
  let state = BigInt.asUintN(64, BigInt(Math.trunc(seed)));
  const uniform = (): number => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    z ^= z >> 31n;
    return (Number(z >> 11n) + 1) / 2 ** 53;
  };
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}
