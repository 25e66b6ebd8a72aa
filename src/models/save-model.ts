import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import type { Checkpoint } from './checkpoint.js';
import type { Family } from './families/family.js';
import { readRegularFileIfPresent } from '../io/regular-file.js';
import {
  joinMembers,
  MAX_JSON_BYTES,
  MAX_TOKENIZER_BYTES,
  membersOf,
  readJsonObject,
  setMembers,
} from './json-file.js';
import type { MonoSettings } from './model-config.js';
import { WEIGHT_FILES } from './model-weights.js';
import { formatShape, type TensorValues } from './raw-tensor.js';
import { writeSafetensors } from './safetensors.js';
import { LIBRARY_FILES } from './sentence-transformers.js';
import { expectedShapes, savedName } from './tensors.js';

/** The transformers version whose layout is written: 4.56 renamed `torch_dtype` to `dtype`. */
const TRANSFORMERS_VERSION = '4.57.6';

/** Keys that transformers does not write: the author's path, and the old name of `dtype`. */
const LEFT_OUT = ['_name_or_path', 'torch_dtype'];

/** The small files of a model folder, kept in memory so that the model can be saved after its folder is deleted. */
export interface ModelFiles {
  /** config.json: key to the raw text of the value. */
  config: ReadonlyMap<string, string>;
  /** tokenizer_config.json in the same form; empty if there is none. */
  tokenizerConfig: ReadonlyMap<string, string>;
  /** The other files of the tokenizer and of sentence-transformers, by file name, unchanged. */
  carried: ReadonlyMap<string, Buffer>;
}

/** Tokenizer files of all families. */
const TOKENIZER_FILES = [
  'tokenizer.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'sentencepiece.bpe.model',
  'special_tokens_map.json',
  'added_tokens.json',
];

/** All small files that a model's scores depend on. */
export const MODEL_FILES: readonly string[] = [
  'config.json',
  'tokenizer_config.json',
  ...TOKENIZER_FILES,
  ...LIBRARY_FILES,
];

/**
 * Every file of a model folder, and the names that a model is looked for under: a new file of such a name would be read
 * the next time.
 */
export async function modelFolderFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw ioError('read', folder, error);
  });
  const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  const weights = WEIGHT_FILES.flatMap((name) => [name, `${name}.index.json`]);
  return [...new Set([...files, ...MODEL_FILES, ...weights])].map((name) => join(folder, name));
}

/** Reads the small files of a model folder that `saveModel` copies. */
export async function readModelFiles(folder: string): Promise<ModelFiles> {
  const config = await readMembers(join(folder, 'config.json'));
  if (!config) {
    throw new RankDistillmError(
      'not_found',
      `${join(folder, 'config.json')}: no such file, so the model cannot be saved`,
      {
        hint: 'Do not move or delete the folder of a model while the model is in use.',
      },
    );
  }
  const carried = new Map<string, Buffer>();
  for (const name of [...TOKENIZER_FILES, ...LIBRARY_FILES]) {
    const bytes = await readRegularFileIfPresent(join(folder, name), { bytes: MAX_TOKENIZER_BYTES });
    if (bytes) carried.set(name, bytes);
  }
  return {
    config,
    tokenizerConfig: (await readMembers(join(folder, 'tokenizer_config.json'))) ?? new Map<string, string>(),
    carried,
  };
}

async function readMembers(path: string): Promise<Map<string, string> | undefined> {
  if (!(await readJsonObject(path))) return undefined; // throws for invalid JSON
  return membersOf((await readRegularFileIfPresent(path, { bytes: MAX_JSON_BYTES }))?.toString() ?? '{}');
}

export interface SaveModelOptions {
  /** The model that `tensors` belong to, with the settings it was loaded with. */
  source: Checkpoint;
  /** The source's small files. Default: read from its folder. */
  files?: ModelFiles | undefined;
  /** Every tensor of the model, by canonical name (see `NamedTensor` in binding.d.ts). */
  tensors: readonly TensorValues[];
  /** Optimizer steps so far, written to config.json as lightning-ir does during training. */
  step?: number | undefined;
}

/**
 * Writes a model in the Hugging Face layout: what lightning-ir 0.0.6 saves for its mono models, what transformers saves
 * for sequence classification models. Both load it, and so does `loadCheckpoint`. Weights are float32.
 *
 * @param folder an existing empty folder, as `replaceFolder` creates it
 * @throws RankDistillmError `io`, `not_found`; `bad_input` if the tensors do not match the model
 */
export async function saveModel(folder: string, options: SaveModelOptions): Promise<void> {
  const { source, tensors } = options;
  checkTensors(source, tensors);
  const files = options.files ?? (await readModelFiles(source.folder));
  const { family, head } = source;
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    tensors.map((tensor) => ({
      name: savedName(tensor.name, family, head),
      shape: tensor.shape,
      parts: () => tensor.parts(),
    })),
  );
  for (const [name, bytes] of files.carried) {
    // they describe the old head, so they would be wrong for another one
    if (source.mono === undefined || !LIBRARY_FILES.includes(name)) await write(join(folder, name), bytes);
  }
  const tokenizerConfig = savedTokenizerConfig(source, files);
  if (tokenizerConfig.size > 0) await write(join(folder, 'tokenizer_config.json'), joinMembers(tokenizerConfig));
  await write(join(folder, 'config.json'), joinMembers(savedConfig(source, files, options.step)));
}

async function write(path: string, content: Buffer | string): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (error) {
    throw ioError('write', path, error);
  }
}

function checkTensors({ name, encoder, head }: Checkpoint, tensors: readonly TensorValues[]): void {
  const expected = expectedShapes(encoder, head);
  const problem = (text: string) =>
    new RankDistillmError('bad_input', `${name}: cannot be saved: ${text}`, {
      hint: 'Save every tensor of the model once, by the name and the shape that it was loaded with.',
    });
  for (const tensor of tensors) {
    const shape = expected.get(tensor.name);
    if (!shape) throw problem(`tensor ${tensor.name} is given twice, or the model has none of that name`);
    if (formatShape(shape) !== formatShape(tensor.shape)) {
      const sizes = `expected shape ${formatShape(shape)}, found ${formatShape(tensor.shape)}`;
      throw problem(`tensor ${tensor.name}: ${sizes}`);
    }
    expected.delete(tensor.name);
  }
  const [missing] = expected.keys();
  if (missing !== undefined) throw problem(`tensor ${missing} is missing`);
}

/**
 * config.json of the saved model: the source's keys plus those that `save_pretrained` of lightning-ir 0.0.6 (a mono
 * model) or transformers (a classification model) adds.
 *
 * @param step optimizer steps, which lightning-ir writes during training
 */
function savedConfig(source: Checkpoint, files: ModelFiles, step: number | undefined): Map<string, string> {
  const { family } = source;
  const config = new Map<string, string>();
  setMembers(config, { ...family.defaults, model_type: family.name });
  for (const [key, value] of files.config) config.set(key, value);
  for (const key of LEFT_OUT) config.delete(key);
  setMembers(config, {
    architectures: [source.modelClass],
    dtype: 'float32',
    transformers_version: TRANSFORMERS_VERSION,
    ...(step === undefined ? {} : { save_step: step }),
  });
  if (source.mono) setMono(config, family, source.mono);
  return config;
}

function setMono(config: Map<string, string>, family: Family, mono: MonoSettings): void {
  const usesBertPool = mono.pooling === 'bert_pool';
  if (!config.has('tokenizer_pattern')) setMembers(config, { tokenizer_pattern: null });
  setMembers(config, {
    _bert_pool: usesBertPool,
    adapter_config: null,
    backbone_model_type: family.name,
    doc_length: mono.docLength,
    linear_bias: mono.bias,
    model_type: 'mono',
    pooling_strategy: usesBertPool ? 'first' : mono.pooling,
    pretrained_adapter_name_or_path: null,
    query_length: mono.queryLength,
    scoring_strategy: mono.scoring,
    use_adapter: false,
  });
}

/** tokenizer_config.json of the saved model; unchanged for a classification model. */
function savedTokenizerConfig({ family, mono }: Checkpoint, files: ModelFiles): Map<string, string> {
  const config = new Map(files.tokenizerConfig);
  if (!mono) return config;
  setMembers(config, {
    backbone_tokenizer_class: family.tokenizer.className,
    doc_length: mono.docLength,
    query_length: mono.queryLength,
    scoring_strategy: mono.scoring,
    tokenizer_class: 'CrossEncoderTokenizer',
  });
  return config;
}
