import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { DEFAULT_SEED } from '../random/random-stream.js';
import type { Checkpoint } from './checkpoint.js';
import { canonicalName, type Family } from './families/family.js';
import {
  applyOverrides,
  classificationHead,
  EXTERNAL_MODELS,
  freshParts,
  freshTensors,
  monoHead,
  MONO_OUTPUT,
  type MonoOverrides,
} from './head.js';
import { downloadHint, resolveModel, type ResolvedModel } from './resolve-model.js';
import { JsonReader, readJsonObject } from './json-file.js';
import {
  headFromTensors,
  parseModelConfig,
  parseTrainingConfig,
  type ModelConfig,
  type MonoSettings,
} from './model-config.js';
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
import { expectedShapes, matchTensors } from './tensors.js';

export type { MonoOverrides } from './head.js';

export interface LoadOptions {
  /** The label whose logit is the score, by index or name, for a classification model with several labels. */
  label?: number | string | undefined;
  overrides?: MonoOverrides | undefined;
  /**
   * Whether missing weights of the head may be initialized randomly, as for training. Default true; with false a model
   * without a head is an error.
   */
  freshHead?: boolean | undefined;
  /** Seed of a randomly initialized head. Default 42. */
  seed?: number | undefined;
  /** Branch, tag or commit of a Hugging Face id; the same as `id@revision`. Default `main`. */
  revision?: string | undefined;
}

/**
 * Reads a model folder, or a Hugging Face id's files, which are downloaded where the cache lacks them: config.json of lightning-ir's mono models (all
 * generations), of a sequence classification model of the families in families/, or of a bare backbone. Reads only
 * headers: tensors are regions of their files.
 */
export async function loadCheckpoint(nameOrPath: string, options: LoadOptions = {}): Promise<Checkpoint> {
  const resolved = await resolveModel(nameOrPath, options.revision);
  const { folder } = resolved;
  const seed = checkedSeed(options.seed);
  const config = await readConfig(resolved);
  const parsed = parseModelConfig(config);
  const raw = await readWeights(resolved);
  const external = resolved.hubId === undefined ? undefined : EXTERNAL_MODELS.get(resolved.hubId);
  const nameOf = (name: string) => {
    const canonical = canonicalName(name, parsed.family);
    return external?.names.get(canonical) ?? canonical;
  };
  const names = [...raw.keys()].map(nameOf);
  parsed.head = external
    ? { kind: 'mono', trained: true, ...external.settings }
    : headFromTensors(config, parsed, names);

  const warnings: string[] = [];
  const mayBeUntrained = options.freshHead ?? true;
  const modules = await readModules(folder);
  checkModules(nameOrPath, modules, parsed, mayBeUntrained, warnings);
  const overrides = options.overrides ?? {};
  const mono = parsed.head.kind === 'mono' ? applyOverrides(parsed.head, overrides) : undefined;
  if (mono) refuseLabel(nameOrPath, options.label);
  else warnAboutOverrides(nameOrPath, overrides, warnings);
  const head = mono
    ? monoHead(mono, names.includes(`${MONO_OUTPUT}.bias`))
    : classificationHead(config, parsed, options.label);
  const { family, encoder } = parsed;
  const { tensors, missing } = matchTensors({
    raw,
    family,
    nameOf,
    expected: expectedShapes(encoder, head),
    mayBeFresh: freshParts(parsed, overrides, head),
    folder,
    warnings,
  });
  if (missing.size > 0) {
    if (!mayBeUntrained) refuseUntrained(nameOrPath, [...missing.keys()]);
    warnings.push(freshWarning(nameOrPath, parsed, missing, seed));
  }
  return {
    name: nameOrPath,
    folder,
    modelClass: modelClassOf(family, mono !== undefined),
    family,
    encoder,
    head,
    mono: mono && { ...mono, bias: head.output.bias },
    training: parseTrainingConfig(config, parsed),
    tensors: [...tensors, ...freshTensors(missing, parsed.initializerRange, seed)],
    ...(await encodingOf({ folder, config, parsed, modules, warnings }, mono)),
    warnings,
  };
}

/** Other sentence-transformers models have an encoder to train but no head to score with. */
function checkModules(
  name: string,
  modules: Modules | undefined,
  { head }: ModelConfig,
  mayBeUntrained: boolean,
  warnings: string[],
): void {
  const what = modules && otherModel(modules);
  if (what === undefined || (head.kind === 'mono' && head.trained)) return;
  // as in the library, a classification model in such a folder is a cross-encoder
  if (head.kind === 'classification' && modules?.modelType !== 'CrossEncoder') return;
  if (head.kind === 'classification' || !mayBeUntrained) refuseModules(modules as Modules, what);
  warnings.push(`${name}: is ${what}; only its encoder is used.`);
}

/** Refuses to score with random weights. An added bias starts at 0 and does not change scores. */
function refuseUntrained(name: string, missing: readonly string[]): void {
  const weights = missing.filter((tensor) => tensor.endsWith('.weight'));
  if (weights.length === 0) return;
  throw new RankDistillmError(
    'bad_input',
    `${name}: the model has no trained head (${weights.join(', ')} not in the file), so its scores would be random`,
    {
      hint: 'Train it first with `rank-distillm fit`, or name a trained model; freshHead: true scores it anyway.',
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
  throw new RankDistillmError('not_found', `${path}: no such file, so this is not a model folder`, {
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
    `${model.folder}: has neither model.safetensors nor pytorch_model.bin, whole or in shards`,
    {
      hint: model.hubId
        ? downloadHint(model.hubId)
        : 'Weights of other frameworks (TensorFlow, Flax, ONNX) are not supported: save the model with save_pretrained.',
    },
  );
}

function warnAboutOverrides(name: string, overrides: MonoOverrides, warnings: string[]): void {
  const set = Object.entries(overrides).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (set.length === 0) return;
  warnings.push(`${name}: is a sequence classification model, so ${set.join(', ')} have no effect.`);
}

function refuseLabel(name: string, label: number | string | undefined): void {
  if (label === undefined) return;
  throw new RankDistillmError(
    'bad_input',
    `${name}: label ${JSON.stringify(label)}: this model gives one score, not labels`,
    { hint: 'Remove the label.' },
  );
}

function freshWarning(name: string, parsed: ModelConfig, missing: ReadonlyMap<string, unknown>, seed: number): string {
  const parts = [...missing.keys()].join(', ');
  return (
    `${name}: not in the file, so randomly initialized: ${parts} (weights N(0, ${parsed.initializerRange}), seed ${seed}, biases 0); ` +
    'scores are meaningless before training.'
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
  const encoderTokenizer = parsed.family.tokenizer.className;
  if (settings) {
    const { queryLength, docLength } = settings;
    const maxLength = Math.min(await modelMaxLength(folder), maxPositions);
    return {
      pairEncoding: { kind: 'lightning-ir', queryLength, docLength, maxLength, encoderTokenizer },
      activation: undefined,
    };
  }
  const library = await readCrossEncoderSettings(folder, config, modules, warnings);
  const limit = library.maxLength ?? (await modelMaxLength(folder, library.tokenizer.tokenizerKeys));
  return {
    pairEncoding: {
      kind: 'longest-first',
      maxLength: Math.min(limit, maxPositions),
      // as transformers: config.json names the class where tokenizer_config.json does not
      encoderTokenizer: config.string('tokenizer_class') ?? encoderTokenizer,
      ...library.tokenizer,
    },
    activation: library.activation,
  };
}

function modelClassOf({ className }: Family, isMono: boolean): string {
  return isMono ? `Mono${className}Model` : `${className}ForSequenceClassification`;
}
