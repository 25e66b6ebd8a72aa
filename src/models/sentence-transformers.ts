import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { JsonReader, readJson, readJsonObject, type JsonObject } from './json-file.js';
import type { TokenizerSettings } from './pair-encoding.js';

// Reads the files that sentence-transformers 5.7 adds to a model folder (CrossEncoder and Transformer in
// sentence_transformers/cross_encoder/model.py and base/). Settings that change scores are supported or refused by name.

/** The activation function on the logit, as named in the folder. */
export type ScoreActivation = 'sigmoid' | 'identity';

/** modules.json: the modules of a sentence-transformers model. */
export interface Modules {
  file: string;
  /** `CrossEncoder`, `SentenceTransformer` (bi-encoders) or `SparseEncoder`. */
  modelType: string;
  /** Names of their classes: `Transformer`, `Pooling`, … */
  names: string[];
}

/** Settings of sentence-transformers' CrossEncoder in a folder. */
export interface CrossEncoderSettings {
  tokenizer: TokenizerSettings;
  /** Maximum tokens of a pair; undefined for the limit of tokenizer_config.json. */
  maxLength: number | undefined;
  activation: ScoreActivation | undefined;
}

const MODEL_FILE = 'config_sentence_transformers.json';

/** The Transformer module's file; earlier versions named it after the encoder. The first non-empty file is used. */
const TRANSFORMER_FILES = ['bert', 'roberta', 'distilbert', 'camembert', 'albert', 'xlm-roberta', 'xlnet'].map(
  (name) => `sentence_${name}_config.json`,
);

/** All files of sentence-transformers in a model folder; kept when a classification model is saved. */
export const LIBRARY_FILES: readonly string[] = ['modules.json', MODEL_FILE, ...TRANSFORMER_FILES];

export async function readModules(folder: string): Promise<Modules | undefined> {
  const file = join(folder, 'modules.json');
  const entries = await readJson(file);
  if (entries === undefined) return undefined;
  const types = Array.isArray(entries) ? entries.map((entry) => (entry as { type?: unknown } | null)?.type) : [];
  if (types.length === 0 || !types.every((type) => typeof type === 'string')) {
    throw new RankDistillmError('bad_input', `${file}: expected a list of modules, each with its type`, {
      hint: 'Copy or download the file again.',
    });
  }
  const path = join(folder, MODEL_FILE);
  const modelType = new JsonReader(path, (await readJsonObject(path)) ?? {}).string('model_type');
  return { file, modelType: modelType ?? 'SentenceTransformer', names: types.map(lastPart) };
}

/** Describes a model that is not a cross-encoder of one module; undefined if it is one. */
export function otherModel({ modelType, names }: Modules): string | undefined {
  if (modelType === 'CrossEncoder' && names.length === 1 && names[0] === 'Transformer') return undefined;
  const kinds: Record<string, string> = {
    CrossEncoder: 'cross-encoder of other modules',
    SparseEncoder: 'sparse encoder',
  };
  return `a ${kinds[modelType] ?? 'bi-encoder'} of sentence-transformers (${names.join(', ')})`;
}

/** Throws the error for such a model. */
export function refuseModules({ file }: Modules, what: string): never {
  throw new RankDistillmError('unsupported', `${file}: the model is ${what}, which is not supported`, {
    hint: 'Name a cross-encoder: a lightning-ir mono model or a sequence classification model.',
  });
}

/** Reads the sentence-transformers settings of a sequence classification model. */
export async function readCrossEncoderSettings(
  folder: string,
  config: JsonReader,
  modules: Modules | undefined,
  warnings: string[],
): Promise<CrossEncoderSettings> {
  // without modules.json, or for other kinds of models, the library uses the classification model alone
  if (modules?.modelType !== 'CrossEncoder') {
    await refuseChatTemplate(folder);
    return { tokenizer: {}, maxLength: undefined, activation: activationOf(config, warnings) };
  }
  const path = join(folder, MODEL_FILE);
  const model = new JsonReader(path, (await readJsonObject(path)) ?? {});
  const transformer = await transformerFile(folder);
  refuseTransformerKeys(transformer);
  const { maxLength } = callSettings(transformer);
  return {
    tokenizer: { ...tokenizerSettings(transformer), ...promptOf(model) },
    maxLength,
    activation: activationAt(model, 'activation_fn', model.string('activation_fn'), warnings),
  };
}

/** The library formats pairs with the tokenizer's chat template, unless modules.json declares them as text. */
async function refuseChatTemplate(folder: string): Promise<void> {
  if (existsSync(join(folder, 'chat_template.jinja'))) throw notBuilt({ path: folder }, 'chat_template.jinja');
  const path = join(folder, 'tokenizer_config.json');
  const config = new JsonReader(path, (await readJsonObject(path)) ?? {});
  if (config.raw('chat_template') !== undefined) throw notBuilt(config, 'chat_template');
}

async function transformerFile(folder: string): Promise<JsonReader> {
  for (const name of TRANSFORMER_FILES) {
    const path = join(folder, name);
    const object = await readJsonObject(path);
    if (object !== undefined && Object.keys(object).length > 0) return new JsonReader(path, object);
  }
  return new JsonReader(join(folder, TRANSFORMER_FILES[0] as string), {});
}

/** Keys of the Transformer module that are handled below, or affect only speed and memory. */
const TRANSFORMER_KEYS = [
  ...['max_seq_length', 'do_lower_case', 'processing_kwargs', 'unpad_inputs', 'transformer_task', 'modality_config'],
  ...['module_output_name', 'model_kwargs', 'model_args', 'processor_kwargs', 'tokenizer_args', 'config_kwargs'],
  'config_args',
];

/** Arguments of from_pretrained that do not change scores: where files are found, and how attention is computed. */
const HARMLESS_ARGUMENTS = [
  ...['cache_dir', 'local_files_only', 'revision', 'subfolder', 'token', 'trust_remote_code', 'use_fast'],
  ...['attn_implementation', 'device_map', 'low_cpu_mem_usage', 'use_safetensors', 'padding_side'],
];

function refuseTransformerKeys(transformer: JsonReader): void {
  for (const key of Object.keys(transformer.object)) {
    if (!TRANSFORMER_KEYS.includes(key) && transformer.raw(key) !== undefined) throw notBuilt(transformer, key);
  }
  const task = transformer.string('transformer_task') ?? 'sequence-classification';
  if (task !== 'sequence-classification') throw notBuilt(transformer, 'transformer_task', task);
  for (const [modality, value] of Object.entries(objectOf(transformer, 'modality_config'))) {
    const { method, method_output_name: output } = value as { method?: unknown; method_output_name?: unknown };
    if (modality === 'message') throw notBuilt(transformer, 'modality_config.message');
    if (modality === 'text' && (method !== 'forward' || output !== 'logits')) {
      throw notBuilt(transformer, 'modality_config.text', `${String(method)}, ${String(output)}`);
    }
  }
  for (const key of ['model_kwargs', 'model_args', 'config_kwargs', 'config_args']) {
    const given = Object.entries(objectOf(transformer, key)).find(
      ([name, value]) => !HARMLESS_ARGUMENTS.includes(name) && value !== null,
    );
    if (given !== undefined) throw notBuilt(transformer, `${key}.${given[0]}`);
  }
}

function tokenizerSettings(transformer: JsonReader): TokenizerSettings {
  const keys: JsonObject = {};
  const maxLength = transformer.size('max_seq_length');
  if (maxLength !== undefined) keys['model_max_length'] = maxLength;
  // the old name of the arguments takes precedence
  for (const key of ['processor_kwargs', 'tokenizer_args']) Object.assign(keys, objectOf(transformer, key));
  for (const name of HARMLESS_ARGUMENTS) delete keys[name];
  return {
    ...(Object.keys(keys).length > 0 ? { tokenizerKeys: keys } : {}),
    ...(transformer.boolean('do_lower_case') === true ? { lowerCase: true } : {}),
  };
}

/** Arguments of the tokenizer call that do not change the ids. */
const HARMLESS_CALL = ['padding', 'padding_side', 'pad_to_multiple_of', 'return_tensors', 'verbose', 'return_length'];

/** `processing_kwargs`: arguments of each tokenizer call; those in `common` take precedence. */
function callSettings(transformer: JsonReader): { maxLength: number | undefined } {
  const all = objectOf(transformer, 'processing_kwargs');
  const text = new JsonReader(transformer.path, { ...(all['text'] as object), ...(all['common'] as object) });
  for (const [key, value] of Object.entries(text.object)) {
    const isDefault =
      key === 'max_length' ||
      (key === 'truncation' && (value === true || value === 'longest_first')) ||
      (['add_special_tokens', 'return_attention_mask', 'return_token_type_ids'].includes(key) && value === true);
    if (!isDefault && !HARMLESS_CALL.includes(key)) throw notBuilt(transformer, `processing_kwargs.${key}`, value);
  }
  return { maxLength: text.size('max_length') };
}

function promptOf(model: JsonReader): { prompt?: string } {
  const name = model.string('default_prompt_name');
  if (name === undefined) return {};
  const prompts = new JsonReader(model.path, objectOf(model, 'prompts'));
  if (!prompts.has(name)) throw model.error('default_prompt_name', `there is no prompt ${JSON.stringify(name)}`);
  const prompt = prompts.string(name) ?? '';
  return prompt === '' ? {} : { prompt };
}

/** Version 4 of the library wrote the activation into config.json, version 3 under another key. */
function activationOf(config: JsonReader, warnings: string[]): ScoreActivation | undefined {
  const section = new JsonReader(config.path, objectOf(config, 'sentence_transformers'));
  if (section.has('activation_fn')) {
    return activationAt(config, 'sentence_transformers.activation_fn', section.string('activation_fn'), warnings);
  }
  const key = 'sbert_ce_default_activation_function';
  return activationAt(config, key, config.string(key), warnings);
}

function activationAt(
  { path }: JsonReader,
  key: string,
  name: string | undefined,
  warnings: string[],
): ScoreActivation | undefined {
  if (name === undefined) return undefined;
  const activation = { Sigmoid: 'sigmoid', Identity: 'identity' }[lastPart(name)] as ScoreActivation | undefined;
  if (activation === undefined) {
    warnings.push(`${path}: ${key}: ${name} is not supported; scores are raw logits.`);
  }
  return activation;
}

function objectOf(reader: JsonReader, key: string): JsonObject {
  const value = reader.raw(key) ?? {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as JsonObject;
  throw reader.error(key, 'expected an object');
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

function notBuilt({ path }: Pick<JsonReader, 'path'>, key: string, value?: unknown): RankDistillmError {
  const shown = value === undefined ? '' : ` (${typeof value === 'string' ? value : JSON.stringify(value)})`;
  return new RankDistillmError('unsupported', `${path}: ${key}${shown} is not supported and changes scores`, {
    hint: `Remove ${key} to score without it, or use another model.`,
  });
}
