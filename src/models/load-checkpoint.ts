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
import { downloadHint, resolveModel, type ResolvedModel } from './hub-cache.js';
import { JsonReader, readJsonObject } from './json-file.js';
import {
  headFromTensors,
  parseModelConfig,
  parseTrainingConfig,
  type ModelConfig,
  type MonoSettings,
} from './model-config.js';
import { readModelWeights } from './model-weights.js';
import { modelMaxLength, type PairEncoding } from './pair-encoding.js';
import type { RawTensors } from './raw-tensor.js';
import { refuseAdapter, refuseBiEncoder } from './refuse-unbuilt.js';
import { expectedShapes, matchTensors } from './tensors.js';

export type { MonoOverrides } from './head.js';

export interface LoadOptions {
  /** Which label's logit is the score, by index or name, for a classification model of several labels. */
  label?: number | string | undefined;
  overrides?: MonoOverrides | undefined;
  /** Whether layers of the head that the file lacks may start with random weights, as for training. Default false. */
  freshHead?: boolean | undefined;
  /** Seed of a fresh head. Default 42. */
  seed?: number | undefined;
  /** Branch, tag or commit of a Hugging Face id; the same as `id@revision`. Default `main`. */
  revision?: string | undefined;
}

/**
 * Reads a model folder, or a Hugging Face id from the local hub cache: config.json of lightning-ir's mono models (all
 * generations), of a sequence classification model of the families in families/, or of a bare backbone. Only headers are
 * read: tensors are regions of their files.
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
    if (options.freshHead !== true) await refuseFreshHead(nameOrPath, folder, missing);
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
    pairEncoding: await pairEncodingOf(folder, parsed, mono),
    warnings,
  };
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

function warnAboutOverrides(name: string, overrides: MonoOverrides, warnings: string[]): void {
  const set = Object.entries(overrides).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (set.length === 0) return;
  warnings.push(`${name}: is a sequence classification model, on which ${set.join(', ')} have no effect.`);
}

function refuseLabel(name: string, label: number | string | undefined): void {
  if (label === undefined) return;
  throw new RankDistillmError(
    'bad_input',
    `${name}: label ${JSON.stringify(label)}: this model gives one score, not labels`,
    { hint: 'Leave the label out.' },
  );
}

/** Random weights would score without a word. A bias of zeros changes no ranking. */
async function refuseFreshHead(name: string, folder: string, missing: ReadonlyMap<string, unknown>): Promise<void> {
  const weights = [...missing.keys()].filter((tensor) => tensor.endsWith('.weight'));
  if (weights.length === 0) return;
  await refuseBiEncoder(folder);
  throw new RankDistillmError(
    'bad_input',
    `${name}: has no head that scores a pair: ${weights.join(', ')} ${weights.length > 1 ? 'are' : 'is'} not in the file`,
    {
      hint: 'Name a cross-encoder, or train this model first (`rank-distillm fit`, or TrainableModel). freshHead: true gives it a random head.',
    },
  );
}

function freshWarning(name: string, parsed: ModelConfig, missing: ReadonlyMap<string, unknown>, seed: number): string {
  const parts = [...missing.keys()].join(', ');
  return (
    `${name}: not in the file, so they start fresh: ${parts} (weights N(0, ${parsed.initializerRange}), seed ${seed}, biases 0); ` +
    'scores mean nothing before training.'
  );
}

async function pairEncodingOf(
  folder: string,
  parsed: ModelConfig,
  settings: MonoSettings | undefined,
): Promise<PairEncoding> {
  const maxLength = Math.min(await modelMaxLength(folder), parsed.encoder.maxPositions);
  const encoderTokenizer = parsed.family.tokenizer.className;
  if (!settings) return { kind: 'longest-first', maxLength, encoderTokenizer };
  const { queryLength, docLength } = settings;
  return { kind: 'lightning-ir', queryLength, docLength, maxLength, encoderTokenizer };
}

function modelClassOf({ className }: Family, isMono: boolean): string {
  return isMono ? `Mono${className}Model` : `${className}ForSequenceClassification`;
}
