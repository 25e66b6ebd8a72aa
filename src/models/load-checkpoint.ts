import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { HeadConfig, NamedTensor } from '../../binding.js';
import type { OptionsOf } from '../config/read-settings.js';
import type { monoOptions } from '../config/schema/model.js';
import { plainScalar } from '../config/plain-scalar.js';
import { RankDistillmError } from '../errors.js';
import { DEFAULT_SEED } from '../random/random-stream.js';
import type { Checkpoint } from './checkpoint.js';
import { EXTERNAL_MODELS } from './external-models.js';
import { freshTensors } from './fresh-head.js';
import { downloadHint, resolveModel, type ResolvedModel } from './hub-cache.js';
import { JsonReader, readJsonObject } from './json-file.js';
import { matchTensors } from './match-tensors.js';
import { headFromTensors, parseModelConfig, type MonoSettings, type ModelConfig } from './model-config.js';
import { readModelWeights } from './model-weights.js';
import { modelMaxLength } from './pair-encoding.js';
import type { RawTensors } from './raw-tensor.js';
import { refuseAdapter } from './refuse-unbuilt.js';
import {
  otherModel,
  readCrossEncoderSettings,
  readModules,
  refuseModules,
  type Modules,
} from './sentence-transformers.js';
import { canonicalName, expectedShapes } from './tensor-names.js';
import { parseTrainingConfig } from './training-config.js';

/** Fields of lightning-ir's MonoConfig that the caller sets; what is left out comes from the model's config.json. */
export type MonoOverrides = OptionsOf<typeof monoOptions>;

export interface LoadOptions {
  /** Which label's logit is the score, by index or name, for a classification model of several labels. */
  label?: number | string | undefined;
  overrides?: MonoOverrides | undefined;
  /** Seed of a fresh head. Default 42. */
  seed?: number | undefined;
  /**
   * Whether weights of the head that the file lacks may start as random numbers, as training needs it. Default true;
   * with false such a model is an error.
   */
  freshHead?: boolean | undefined;
  /** Branch, tag or commit of a Hugging Face id; the same as `id@revision`. Default `main`. */
  revision?: string | undefined;
}

/**
 * Reads a model folder, or a Hugging Face id from the local hub cache: config.json of lightning-ir's mono models (all
 * generations), of ElectraForSequenceClassification and BertForSequenceClassification, or of a bare backbone, which
 * gets a fresh head. Only headers are read: tensors are regions of their files.
 */
export async function loadCheckpoint(nameOrPath: string, options: LoadOptions = {}): Promise<Checkpoint> {
  const resolved = await resolveModel(nameOrPath, options.revision);
  const { folder } = resolved;
  const seed = checkedSeed(options.seed);
  const config = await readConfig(resolved);
  const parsed = parseModelConfig(config);
  const raw = await readWeights(resolved);
  parsed.head = headFromTensors(config, parsed, [...raw.keys()].map(canonicalName));
  const external = resolved.hubId === undefined ? undefined : EXTERNAL_MODELS.get(resolved.hubId);
  if (external) parsed.head = { kind: 'mono', trained: true, ...external.settings };

  const warnings: string[] = [];
  const mayBeUntrained = options.freshHead ?? true;
  const modules = await readModules(folder);
  checkModules(nameOrPath, modules, parsed, mayBeUntrained, warnings);
  const settings = parsed.head.kind === 'mono' ? applyOverrides(parsed.head, options.overrides ?? {}) : undefined;
  if (!settings) warnAboutOverrides(nameOrPath, options.overrides ?? {}, warnings);
  const nameOf = (name: string) => external?.names.get(canonicalName(name)) ?? canonicalName(name);
  const head = settings
    ? monoHead(nameOrPath, settings, raw, nameOf, options.label)
    : classificationHead(config, parsed, options.label);
  const expected = expectedShapes(parsed.encoder, head);
  const mayBeFresh = freshParts(parsed, options.overrides ?? {}, expected);
  const { tensors, missing } = matchTensors({ raw, nameOf, expected, mayBeFresh, folder, warnings });
  if (missing.size > 0) {
    if (!mayBeUntrained) refuseUntrained(nameOrPath, [...missing.keys()]);
    warnings.push(freshWarning(nameOrPath, parsed, missing, seed));
  }
  const fresh: NamedTensor[] = freshTensors(missing, parsed.initializerRange, seed);
  return {
    name: nameOrPath,
    folder,
    modelClass: modelClassOf(parsed.family, head),
    family: parsed.family,
    encoder: parsed.encoder,
    head,
    mono: settings && head.kind === 'mono' ? { ...settings, bias: head.bias } : undefined,
    training: parseTrainingConfig(config, parsed),
    tensors: [...tensors, ...fresh],
    ...(await encodingOf({ folder, config, parsed, modules, warnings }, settings)),
    warnings,
  };
}

/** A folder of sentence-transformers that is no cross-encoder has an encoder to train, and nothing to score with. */
function checkModules(
  name: string,
  modules: Modules | undefined,
  { head }: ModelConfig,
  mayBeUntrained: boolean,
  warnings: string[],
): void {
  const what = modules && otherModel(modules);
  if (what === undefined || (head.kind === 'mono' && head.trained)) return;
  // as in the library, the classification model in such a folder is a cross-encoder by itself
  if (head.kind === 'classification' && modules?.modelType !== 'CrossEncoder') return;
  if (head.kind === 'classification' || !mayBeUntrained) refuseModules(modules as Modules, what);
  warnings.push(`${name}: is ${what}; only its encoder is used.`);
}

/** Random numbers would be scored with; a bias that is added starts at 0 and changes nothing. */
function refuseUntrained(name: string, missing: readonly string[]): void {
  const weights = missing.filter((tensor) => tensor.endsWith('.weight'));
  if (weights.length === 0) return;
  throw new RankDistillmError(
    'bad_input',
    `${name}: the model has no trained head (${weights.join(', ')} not in the file), so its scores would be random`,
    {
      hint: 'Train it first with `rank-distillm fit`, or name a trained model; freshHead: true scores it all the same.',
    },
  );
}

function checkedSeed(seed = DEFAULT_SEED): number {
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw new RankDistillmError('bad_input', `seed: expected a whole number of at least 0, found ${String(seed)}`, {
    hint: 'Choose another seed.',
  });
}

async function readConfig(model: ResolvedModel): Promise<JsonReader> {
  const path = join(model.folder, 'config.json');
  const object = await readJsonObject(path);
  if (object) return new JsonReader(path, object);
  const adapter = join(model.folder, 'adapter_config.json');
  if (existsSync(adapter)) refuseAdapter(adapter);
  throw new RankDistillmError('not_found', `${path}: no such file, so this is no model folder`, {
    hint: model.hubId ? downloadHint(model.hubId) : 'Name the folder that holds config.json and the weights.',
  });
}

async function readWeights(model: ResolvedModel): Promise<RawTensors> {
  const adapter = join(model.folder, 'adapter_config.json');
  if (existsSync(adapter)) refuseAdapter(adapter);
  const raw = await readModelWeights(model.folder);
  if (raw) return raw;
  throw new RankDistillmError(
    'not_found',
    `${model.folder}: holds neither model.safetensors nor pytorch_model.bin, whole or in shards`,
    {
      hint: model.hubId
        ? downloadHint(model.hubId)
        : 'Weights of other frameworks (TensorFlow, Flax, ONNX) are not read: save the model with save_pretrained.',
    },
  );
}

function applyOverrides(settings: MonoSettings, overrides: MonoOverrides): MonoSettings {
  return {
    queryLength: overrides.queryLength === undefined ? settings.queryLength : overrides.queryLength,
    docLength: overrides.docLength === undefined ? settings.docLength : overrides.docLength,
    pooling: overrides.poolingStrategy ?? settings.pooling,
    scoring: overrides.scoringStrategy ?? settings.scoring,
    bias: overrides.linearBias ?? settings.bias,
  };
}

function warnAboutOverrides(name: string, overrides: MonoOverrides, warnings: string[]): void {
  const set = Object.entries(overrides).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (set.length === 0) return;
  warnings.push(`${name}: is a sequence classification model, on which ${set.join(', ')} have no effect.`);
}

function monoHead(
  name: string,
  settings: MonoSettings,
  raw: RawTensors,
  nameOf: (name: string) => string,
  label: number | string | undefined,
): HeadConfig {
  if (label !== undefined) {
    throw new RankDistillmError(
      'bad_input',
      `${name}: label ${JSON.stringify(label)}: this model gives one score, not labels`,
      {
        hint: 'Leave the label out.',
      },
    );
  }
  const bias = settings.bias ?? [...raw.keys()].some((key) => nameOf(key) === 'linear.bias');
  return { kind: 'mono', pooling: settings.pooling, scoring: settings.scoring, bias };
}

const LABEL_HINT =
  'Choose the label whose logit is the score, by index or name: --label of `score`, --model.label of `re_rank` and ' +
  '`fit`, label in TypeScript.';

function classificationHead(config: JsonReader, parsed: ModelConfig, wanted: number | string | undefined): HeadConfig {
  const names = parsed.head.kind === 'classification' ? parsed.head.labels : [];
  const list = names.map((name, i) => `${i} (${name})`).join(', ');
  if (wanted === undefined && names.length !== 1) {
    throw config.error('id2label', `the model has ${names.length} labels: ${list}`, LABEL_HINT);
  }
  const label = wanted === undefined ? 0 : indexOfLabel(names, String(wanted));
  if (!Number.isInteger(label) || label < 0 || label >= names.length || wanted === '') {
    throw config.error('id2label', `label ${JSON.stringify(wanted)} is none of ${list}`, LABEL_HINT);
  }
  const kind = parsed.family === 'electra' ? 'electra_classification' : 'bert_classification';
  return { kind, labels: names.length, label };
}

/** A name comes before an index; `yes` and `true` are one in YAML, which may have read the label. */
function indexOfLabel(names: readonly string[], wanted: string): number {
  if (names.includes(wanted)) return names.indexOf(wanted);
  const read = plainScalar(wanted);
  const alike = typeof read === 'boolean' ? names.filter((name) => plainScalar(name) === read) : [];
  return alike.length === 1 ? names.indexOf(alike[0] as string) : Number(wanted);
}

/** Names that may be missing: the whole head of a bare backbone, else only what an override asked to add. */
function freshParts(
  parsed: ModelConfig,
  overrides: MonoOverrides,
  expected: ReadonlyMap<string, number[]>,
): Set<string> {
  if (parsed.head.kind !== 'mono') return new Set();
  const { trained } = parsed.head;
  const isFresh = (name: string) =>
    (name === 'linear.weight' && !trained) ||
    (name === 'linear.bias' && (!trained || overrides.linearBias === true)) ||
    (name.startsWith('bert_pool.') && (!trained || overrides.poolingStrategy === 'bert_pool'));
  return new Set([...expected.keys()].filter(isFresh));
}

function freshWarning(name: string, parsed: ModelConfig, missing: ReadonlyMap<string, unknown>, seed: number): string {
  const parts = [...missing.keys()].join(', ');
  return (
    `${name}: not in the file, so they start fresh: ${parts} (weights N(0, ${parsed.initializerRange}), seed ${seed}, biases 0); ` +
    'scores mean nothing before training.'
  );
}

interface FolderParts {
  folder: string;
  config: JsonReader;
  parsed: ModelConfig;
  modules: Modules | undefined;
  warnings: string[];
}

async function encodingOf(
  { folder, config, parsed, modules, warnings }: FolderParts,
  settings: MonoSettings | undefined,
): Promise<Pick<Checkpoint, 'pairEncoding' | 'activation'>> {
  const { maxPositions } = parsed.encoder;
  if (settings) {
    const { queryLength, docLength } = settings;
    const maxLength = Math.min(await modelMaxLength(folder), maxPositions);
    return { pairEncoding: { kind: 'lightning-ir', queryLength, docLength, maxLength }, activation: undefined };
  }
  const library = await readCrossEncoderSettings(folder, config, modules, warnings);
  const limit = library.maxLength ?? (await modelMaxLength(folder, library.tokenizer.tokenizerKeys));
  return {
    pairEncoding: { kind: 'longest-first', maxLength: Math.min(limit, maxPositions), ...library.tokenizer },
    activation: library.activation,
  };
}

function modelClassOf(family: ModelConfig['family'], head: HeadConfig): string {
  const name = { electra: 'Electra', bert: 'Bert' }[family];
  return head.kind === 'mono' ? `Mono${name}Model` : `${name}ForSequenceClassification`;
}
