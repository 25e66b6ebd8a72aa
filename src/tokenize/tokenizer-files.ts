import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { readRegularFileIfPresent } from '../io/regular-file.js';
import { MAX_TOKENIZER_BYTES, readJsonObject } from '../models/json-file.js';

/** The parts of `tokenizer.json` that this package uses; the native library reads the rest. */
export interface TokenizerDefinition {
  version?: unknown;
  truncation: { direction?: string } | null;
  padding: unknown;
  added_tokens: AddedTokenEntry[];
  normalizer: NormalizerEntry | null;
  pre_tokenizer: { type?: string; add_prefix_space?: boolean; [key: string]: unknown } | null;
  post_processor: unknown;
  decoder: { type?: string; prefix?: string; cleanup?: boolean; [key: string]: unknown } | null;
  model: {
    type?: string;
    unk_token?: string | null;
    continuing_subword_prefix?: string;
    max_input_chars_per_word?: number;
    vocab?: unknown;
    [key: string]: unknown;
  };
}

interface NormalizerEntry {
  type?: string;
  clean_text?: boolean;
  handle_chinese_chars?: boolean;
  /** null means the same as `lowercase`. */
  strip_accents?: boolean | null;
  lowercase?: boolean;
  /** Steps of a `Sequence`. */
  normalizers?: NormalizerEntry[];
}

/** A token that is matched in the raw text, before normalization. */
export interface AddedTokenEntry {
  content: string;
  special: boolean;
  normalized: boolean;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
}

interface TokenizerFilesBase {
  folder: string;
  /** tokenizer_config.json */
  config: Record<string, unknown>;
  /** special_tokens_map.json */
  specialTokensMap: Record<string, unknown> | undefined;
  /** added_tokens.json: token to id */
  addedTokens: Record<string, unknown> | undefined;
}

/** A vocabulary outside tokenizer.json: BERT's vocab.txt, or RoBERTa's vocab.json and merges.txt. */
type Vocabulary = { file: string; tokens: string } | MergesVocabulary;

interface MergesVocabulary {
  file: string;
  /** Token to id. */
  tokens: Record<string, unknown>;
  merges: string;
}

/** The parsed tokenizer files of a model folder; undefined for missing files. */
export type TokenizerFiles = TokenizerFilesBase &
  (
    | { tokenizer: Record<string, unknown>; vocabulary?: undefined } // tokenizer.json
    | { tokenizer?: undefined; vocabulary: Vocabulary }
  );

/** Unsupported tokenizer files, which transformers would convert. */
const FOREIGN_FILES = ['spiece.model', 'sentencepiece.bpe.model', 'tokenizer.model', 'vocab.json', 'merges.txt'];

/** Files from this size on are parsed in a thread; BERT's tokenizer.json has 700 kB. */
const LARGE_BYTES = 2 ** 20;
const FILES = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'];
const VOCABULARY = ['vocab.txt', 'vocab.json', 'merges.txt'];

/** Whether parsing the tokenizer files in `folder` would block a thread for long. */
export async function isLarge(folder: string): Promise<boolean> {
  const size = (name: string) =>
    stat(join(folder, name)).then(
      (found) => found.size,
      () => 0,
    );
  const [tokenizer = 0, ...others] = await Promise.all(FILES.map(size));
  if (tokenizer === 0) others.push(...(await Promise.all(VOCABULARY.map(size))));
  return Math.max(tokenizer, ...others) >= LARGE_BYTES;
}

/** Reads the tokenizer files in `folder`. tokenizer.json takes precedence, as in transformers. */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const tokenizer = await readJsonObject(join(folder, 'tokenizer.json'), MAX_TOKENIZER_BYTES);
  const definition = tokenizer === undefined ? { vocabulary: await readVocabulary(folder) } : { tokenizer };
  return {
    folder,
    ...definition,
    config: (await readJsonObject(join(folder, 'tokenizer_config.json'))) ?? {},
    specialTokensMap: await readJsonObject(join(folder, 'special_tokens_map.json')),
    addedTokens: await readJsonObject(join(folder, 'added_tokens.json')),
  };
}

async function readVocabulary(folder: string): Promise<Vocabulary> {
  const file = join(folder, 'vocab.txt');
  const lines = await readText(file);
  if (lines !== undefined) return { file, tokens: lines };
  const json = join(folder, 'vocab.json');
  const tokens = await readJsonObject(json, MAX_TOKENIZER_BYTES);
  const merges = await readText(join(folder, 'merges.txt'));
  if (tokens === undefined || merges === undefined) throw noTokenizer(folder);
  return { file: json, tokens, merges };
}

function noTokenizer(folder: string): RankDistillmError {
  const foreign = FOREIGN_FILES.find((name) => existsSync(join(folder, name)));
  if (foreign !== undefined) {
    return new RankDistillmError(
      'unsupported',
      `${join(folder, foreign)}: this kind of tokenizer file is not supported`,
      {
        hint: 'Save the tokenizer as tokenizer.json, for example with transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder).',
      },
    );
  }
  return new RankDistillmError('not_found', `${folder}: no tokenizer.json and no vocab.txt`, {
    hint: 'Copy tokenizer.json (or vocab.txt and tokenizer_config.json) of the model into its folder.',
  });
}

async function readText(file: string): Promise<string | undefined> {
  const bytes = await readRegularFileIfPresent(file, { bytes: MAX_TOKENIZER_BYTES });
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new RankDistillmError('bad_input', `${file}: not valid UTF-8`, {
      hint: 'Save the file as UTF-8, or download it again.',
      cause,
    });
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Special tokens by role, if they differ from the defaults. */
type SpecialContent = Partial<Record<'unk' | 'cls' | 'sep', string>>;

/** Settings of BERT's normalizer; `strip_accents` null: same as `lowercase`. */
type BertNormalizer = Pick<NormalizerEntry, 'lowercase' | 'strip_accents' | 'handle_chinese_chars'>;

/**
 * The tokenizer that transformers builds from a BERT or ELECTRA `vocab.txt`, one token a line (`BertConverter` in
 * transformers' convert_slow_tokenizer.py).
 */
export function definitionFromVocab(
  { file, tokens }: { file: string; tokens: string },
  { unk = '[UNK]', cls = '[CLS]', sep = '[SEP]' }: SpecialContent,
  normalizer: BertNormalizer,
): TokenizerDefinition {
  // in a plain object a token `__proto__` would set the prototype
  const vocab = Object.create(null) as Record<string, number>;
  const lines = tokens.split(/\r\n|\r|\n/);
  if (lines.at(-1) === '') lines.pop();
  lines.forEach((token, id) => {
    vocab[token] = id;
  });
  idOf(vocab, unk, 'unknown', file);
  const special = (token: string, type_id: number) => ({ SpecialToken: { id: token, type_id } });
  const entry = (token: string, role: string) => ({
    id: token,
    ids: [idOf(vocab, token, role, file)],
    tokens: [token],
  });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: { type: 'BertNormalizer', clean_text: true, ...normalizer },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [special(cls, 0), { Sequence: { id: 'A', type_id: 0 } }, special(sep, 0)],
      pair: [
        special(cls, 0),
        { Sequence: { id: 'A', type_id: 0 } },
        special(sep, 0),
        { Sequence: { id: 'B', type_id: 1 } },
        special(sep, 1),
      ],
      special_tokens: { [cls]: entry(cls, 'class'), [sep]: entry(sep, 'separator') },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: unk,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}

/**
 * The tokenizer that transformers builds from RoBERTa's `vocab.json` and `merges.txt` (`RobertaConverter` in
 * convert_slow_tokenizer.py).
 */
export function definitionFromMerges(
  { file, tokens, merges }: MergesVocabulary,
  { cls = '<s>', sep = '</s>' }: SpecialContent,
  addPrefixSpace: boolean,
): TokenizerDefinition {
  const entry = (token: string, role: string) => [token, idOf(tokens, token, role, file)];
  // the first line is the version, the last one is empty
  const lines = merges.split('\n').filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version')));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: addPrefixSpace, trim_offsets: true, use_regex: true },
    post_processor: {
      type: 'RobertaProcessing',
      sep: entry(sep, 'separator'),
      cls: entry(cls, 'class'),
      trim_offsets: true,
      add_prefix_space: addPrefixSpace,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      vocab: tokens,
      merges: lines,
    },
  };
}

function idOf(vocab: Record<string, unknown>, token: string, role: string, file: string): number {
  const id = vocab[token];
  if (typeof id === 'number') return id;
  throw new RankDistillmError('bad_input', `${file}: the ${role} token ${token} is missing`, {
    hint: `Add ${token} to the vocabulary, or name the right token in tokenizer_config.json.`,
  });
}
