import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { ComputePrecision, DropoutRates, ModelOptions } from '../../binding.js';
import { enginePrecision, readPrecision, type PrecisionName } from '../config/precision.js';
import { section, type OptionsOf, type SettingsOf } from '../config/read-settings.js';
import { engineOptions } from '../config/schema/engine.js';
import { inWords, key } from '../config/schema/fields.js';
import { monoOptions } from '../config/schema/model.js';
import type { SettingPath } from '../config/setting-error.js';
import { listDevices } from '../io/load-binding.js';
import { chooseDevice } from './device.js';

/** Device, precision, threads and memory of a model. */
export type EngineOptions = OptionsOf<typeof engineOptions>;

export const NO_DROPOUT: DropoutRates = {
  embeddings: 0,
  attentionWeights: 0,
  attentionOutput: 0,
  layerOutput: 0,
  headInput: 0,
  headHidden: 0,
};

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

/** Kinds of values that only a program can pass, in words. */
const KINDS = {
  'a function': (value: unknown) => typeof value === 'function',
  'an object': isObject,
  'an object or a function': (value: unknown) => isObject(value) || typeof value === 'function',
  'a list': (value: unknown) => Array.isArray(value),
  // not instanceof: a signal may come from another realm
  'an AbortSignal': (value: unknown) => isObject(value) && 'aborted' in (value as object),
} as const;

/** An option that only a program can pass. */
export function given<T>(kind: keyof typeof KINDS, doc: string) {
  return key(inWords(z.custom<T>(KINDS[kind]), kind), doc);
}

/** The same for one that may be omitted. */
export function passed<T>(kind: keyof typeof KINDS, doc: string) {
  return key(inWords(z.custom<T>(KINDS[kind]), kind).optional(), doc);
}

/** Options of every function that loads a model. */
export const modelKeys = {
  ...engineOptions.shape,
  timed: key(
    z.boolean().default(false),
    'GPUs: measure the time of each kind of operation (`ScoredWindow.result.opSeconds`). This costs speed.',
  ),
  config: key(
    section(monoOptions).optional(),
    "Fields of lightning-ir's MonoConfig that replace those of the model's config.json.",
  ),
  label: key(
    z.union([z.int(), z.string()]).optional(),
    "Which label's logit is the score, by index or name, for a classification model of several labels.",
  ),
  revision: key(z.string().optional(), 'Branch, tag or commit of a Hugging Face id; default main.'),
  signal: passed<AbortSignal>('an AbortSignal', 'Aborts the work.'),
  on_warning: passed<(message: string) => void>('a function', 'Receives warnings. Default: process.emitWarning.'),
};

/** Resolved options of the engine, and names for messages. */
export interface ResolvedEngine {
  device: string;
  precision: PrecisionName;
  compute: ComputePrecision;
  tokenizerThreads: number;
  native: Pick<
    ModelOptions,
    'device' | 'precision' | 'tf32' | 'bfloat16Stream' | 'memoryFraction' | 'threads' | 'timed'
  >;
}

/**
 * @param timed see `modelKeys`
 * @param path of the settings, for errors
 * @throws SettingError `bad_input`; `unsupported` for a missing device or a precision that it does not support
 */
export function resolveEngine(
  settings: SettingsOf<typeof engineOptions>,
  timed: boolean,
  path: SettingPath = [],
): ResolvedEngine {
  const device = chooseDevice(settings.device, [...path, 'device'], listDevices);
  const precision = readPrecision(settings.precision, [...path, 'precision'], device);
  const compute = enginePrecision(precision);
  return {
    device,
    precision,
    compute,
    tokenizerThreads: settings.tokenizerThreads ?? defaultTokenizerThreads(device, availableParallelism()),
    native: {
      device,
      precision: compute,
      // 0 leaves the choice to the engine
      threads: settings.threads ?? 0,
      tf32: settings.tf32,
      bfloat16Stream: precision === 'bf16-true',
      memoryFraction: settings.memoryFraction ?? 0,
      timed,
    },
  };
}

/** Fewer threads already tokenize faster than one GPU scores. */
const MOST_TOKENIZERS = 8;
/** For the main thread and the engine's thread. */
const CORES_KEPT = 2;

/** Default number of tokenizer threads; 0 on a CPU, where the engine uses all cores. */
export function defaultTokenizerThreads(device: string, cores: number): number {
  if (!device.startsWith('cuda')) return 0;
  return Math.max(0, Math.min(MOST_TOKENIZERS, cores - CORES_KEPT));
}
