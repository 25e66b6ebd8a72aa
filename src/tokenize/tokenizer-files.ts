import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { at, ioError, RankDistillmError } from '../errors.js';
import { jsonFault } from '../io/text.js';

/** The parts of a `tokenizer.json` this package looks at; the native library reads the rest. */
export interface TokenizerDefinition {
  version?: unknown;
  truncation: { direction?: string } | null;
  padding: unknown;
  added_tokens: AddedTokenEntry[];
  normalizer: NormalizerEntry | null;
  pre_tokenizer: { type?: string } | null;
  post_processor: unknown;
  decoder: { type?: string; prefix?: string; cleanup?: boolean } | null;
  model: {
    type?: string;
    unk_token?: string;
    continuing_subword_prefix?: string;
    max_input_chars_per_word?: number;
    vocab?: unknown;
  };
}

export interface NormalizerEntry {
  type?: string;
  clean_text?: boolean;
  handle_chinese_chars?: boolean;
  /** null: as `lowercase`. */
  strip_accents?: boolean | null;
  lowercase?: boolean;
}

/** A token that is matched in the raw text before anything else happens to it. */
export interface AddedTokenEntry {
  content: string;
  special: boolean;
  normalized: boolean;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
}

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

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export interface VocabOptions {
  /** The file the text came from, for messages. */
  file: string;
  lowercase: boolean;
  /** null: as `lowercase`. */
  stripAccents: boolean | null;
  splitChinese: boolean;
  unknown: string;
  cls: string;
  sep: string;
}

/**
 * The tokenizer that transformers builds from a BERT or ELECTRA `vocab.txt`, one token a line
 * (`BertConverter` in transformers' convert_slow_tokenizer.py).
 */
export function definitionFromVocab(text: string, options: VocabOptions): TokenizerDefinition {
  // a plain object would take a token `__proto__` for its prototype
  const vocab = Object.create(null) as Record<string, number>;
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === '') lines.pop();
  lines.forEach((token, id) => {
    vocab[token] = id;
  });
  const idOf = (token: string, role: string): number => {
    const id = vocab[token];
    if (id !== undefined) return id;
    throw new RankDistillmError('bad_input', `${options.file}: the ${role} token ${token} is missing`, {
      hint: `Add ${token} to the vocabulary, or name the right token in tokenizer_config.json.`,
    });
  };
  idOf(options.unknown, 'unknown');
  const special = (token: string, type_id: number) => ({ SpecialToken: { id: token, type_id } });
  const entry = (token: string, role: string) => ({ id: token, ids: [idOf(token, role)], tokens: [token] });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: options.splitChinese,
      strip_accents: options.stripAccents,
      lowercase: options.lowercase,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [special(options.cls, 0), { Sequence: { id: 'A', type_id: 0 } }, special(options.sep, 0)],
      pair: [
        special(options.cls, 0),
        { Sequence: { id: 'A', type_id: 0 } },
        special(options.sep, 0),
        { Sequence: { id: 'B', type_id: 1 } },
        special(options.sep, 1),
      ],
      special_tokens: {
        [options.cls]: entry(options.cls, 'class'),
        [options.sep]: entry(options.sep, 'separator'),
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: options.unknown,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}
