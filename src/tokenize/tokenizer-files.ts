import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { at, ioError, RankDistillmError } from '../errors.js';
import { jsonFault } from '../io/text.js';
import { isRecord } from './json-record.js';

/** The tokenizer files of a model folder, parsed; undefined where the folder has none of that name. */
export interface TokenizerFiles {
  folder: string;
  /** tokenizer.json */
  tokenizer: Record<string, unknown> | undefined;
  /** vocab.txt, only read when there is no tokenizer.json */
  vocab: string | undefined;
  /** tokenizer_config.json */
  config: Record<string, unknown>;
  /** special_tokens_map.json */
  specialTokensMap: Record<string, unknown> | undefined;
  /** added_tokens.json: token to id */
  addedTokens: Record<string, unknown> | undefined;
}

/** Tokenizers of other kinds, which transformers would convert on the fly. */
const FOREIGN_FILES = ['spiece.model', 'sentencepiece.bpe.model', 'tokenizer.model', 'vocab.json', 'merges.txt'];

/** Reads what describes the tokenizer of the model in `folder`, preferring tokenizer.json as transformers does. */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const tokenizer = await readJson(join(folder, 'tokenizer.json'));
  const vocab = tokenizer === undefined ? await readText(join(folder, 'vocab.txt')) : undefined;
  if (tokenizer === undefined && vocab === undefined) throw noTokenizer(folder);
  return {
    folder,
    tokenizer,
    vocab,
    config: (await readJson(join(folder, 'tokenizer_config.json'))) ?? {},
    specialTokensMap: await readJson(join(folder, 'special_tokens_map.json')),
    addedTokens: await readJson(join(folder, 'added_tokens.json')),
  };
}

function noTokenizer(folder: string): RankDistillmError {
  const foreign = FOREIGN_FILES.find((name) => existsSync(join(folder, name)));
  if (foreign !== undefined) {
    return new RankDistillmError('unsupported', `${join(folder, foreign)}: this kind of tokenizer file is not read`, {
      hint: 'Save the tokenizer as tokenizer.json, for example with transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder).',
    });
  }
  return new RankDistillmError('not_found', `${folder}: no tokenizer.json and no vocab.txt`, {
    hint: 'Copy tokenizer.json (or vocab.txt and tokenizer_config.json) of the model into its folder.',
  });
}

async function readJson(file: string): Promise<Record<string, unknown> | undefined> {
  const text = await readText(file);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const { problem, line } = jsonFault(cause, text);
    throw new RankDistillmError('bad_input', `${at(file, line)}: not valid JSON: ${problem}`, {
      hint: 'The file is damaged or cut short; fetch it again from where the model came from.',
      cause,
    });
  }
  if (isRecord(value)) return value;
  throw new RankDistillmError('bad_input', `${file}: expected a JSON object`, {
    hint: 'The file is not what its name says; fetch it again from where the model came from.',
  });
}

async function readText(file: string): Promise<string | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw ioError('read', file, error);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new RankDistillmError('bad_input', `${file}: not valid UTF-8`, {
      hint: 'Save the file as UTF-8, or fetch it again from where the model came from.',
      cause,
    });
  }
}
