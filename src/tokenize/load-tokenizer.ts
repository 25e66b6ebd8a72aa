import { join } from 'node:path';
import type { Tokenizer } from 'tokenizers';
import { RankDistillmError } from '../errors.js';
import { checkAddedTokens, checkDefinition, unusable } from './check-definition.js';
import type { PairEncoding, TokenizerSettings } from '../models/pair-encoding.js';
import { BERT_TOKENS, resolveSpecialTokens, ROBERTA_TOKENS } from './special-tokens.js';
import type { SpecialTokenDefaults, SpecialTokens } from './special-tokens.js';
import { tokenizerLibrary } from './library.js';
import { definitionFromMerges, definitionFromVocab, readTokenizerFiles } from './tokenizer-files.js';
import { tryTokenizer } from './trial.js';
import type { AddedTokenEntry, TokenizerDefinition, TokenizerFiles } from './tokenizer-files.js';

/**
 * A model's tokenizer as in transformers 4.57, without stored truncation and padding. Serializable as JSON.
 */
export interface TokenizerDescription {
  definition: TokenizerDefinition;
  /** Tokens from other files to add to the definition, in this order. */
  toAdd: AddedTokenEntry[];
  /** All tokens matched in raw text: those of the definition and of the other files. */
  addedTokens: AddedTokenEntry[];
  /** transformers' `clean_up_tokenization_spaces`. */
  cleanUp: boolean;
  truncationSide: 'left' | 'right';
  /** False for models without token_type_ids; then all are 0. */
  tokenTypes: boolean;
  /** The vocabulary file, for messages. */
  file: string;
  /** Whether the definition has parts that no published model of our families has. */
  unusual: boolean;
}

export interface LoadedTokenizer extends TokenizerDescription {
  /** @internal An installed package has this library's program, but not its types. */
  native: Tokenizer;
}

/** Behaviour of transformers' tokenizer classes beyond tokenizer.json. */
interface TokenizerClass {
  /** tokenizer_config.json overrides the normalizer of tokenizer.json. */
  bert: boolean;
  specialTokens: SpecialTokenDefaults;
  /** Whether the model uses token_type_ids. */
  tokenTypes: boolean;
  /** transformers 5: tokenizer.json is used unchanged. */
  asStored?: true;
}

const BERT: TokenizerClass = { bert: true, specialTokens: BERT_TOKENS, tokenTypes: true };
const ROBERTA: TokenizerClass = { bert: false, specialTokens: ROBERTA_TOKENS, tokenTypes: false };
const GENERIC: TokenizerClass = { bert: false, specialTokens: {}, tokenTypes: true };

/** transformers' tokenizer classes, without the suffix `Fast`. `TokenizersBackend` is transformers 5's. */
const CLASSES: Readonly<Record<string, TokenizerClass>> = {
  BertTokenizer: BERT,
  ElectraTokenizer: BERT,
  DistilBertTokenizer: { ...BERT, tokenTypes: false },
  RobertaTokenizer: ROBERTA,
  XLMRobertaTokenizer: ROBERTA,
  PreTrainedTokenizer: GENERIC,
  TokenizersBackend: { ...GENERIC, tokenTypes: false, asStored: true },
};

type ReadSettings = TokenizerSettings & Pick<PairEncoding, 'kind'>;

/** Reads the tokenizer files of a model folder and builds the native tokenizer from them. */
export async function loadTokenizer(folder: string, encoding: ReadSettings): Promise<LoadedTokenizer> {
  const description = await describeTokenizer(folder, encoding);
  if (description.unusual) await tryTokenizer(description);
  return buildTokenizer(description);
}

async function describeTokenizer(folder: string, encoding: ReadSettings): Promise<TokenizerDescription> {
  const read = await readTokenizerFiles(folder);
  const files = { ...read, config: { ...read.config, ...encoding.tokenizerKeys } };
  const tokenizer = tokenizerClass(files, encoding);
  refuseKeys(files, tokenizer);
  const file = files.vocabulary?.file ?? join(folder, 'tokenizer.json');
  const stored = files.tokenizer && checkDefinition(files.tokenizer, file);
  const known = stored?.definition.added_tokens ?? [];
  const special = resolveSpecialTokens(files, known, tokenizer.specialTokens);
  checkAddedTokens(special.toAdd, file);
  const { definition, unusual } = stored ?? checkDefinition(defineFrom(files, special), file);
  if (stored) applySettings(definition, files, tokenizer);
  if (encoding.lowerCase === true) lowerCaseFirst(definition);
  const truncationSide = readTruncationSide(files, definition);
  // PairTokenizer truncates pairs; the stored settings would truncate or pad every text
  definition.truncation = null;
  const { config } = files;
  const inputs = config['model_input_names'];
  return {
    definition,
    toAdd: special.toAdd,
    addedTokens: [...known, ...special.toAdd],
    // transformers' default depends on the class: its slow BERT tokenizers, which read vocab.txt, clean up
    cleanUp: flag(config, 'clean_up_tokenization_spaces', typeof files.vocabulary?.tokens === 'string'),
    truncationSide,
    tokenTypes: Array.isArray(inputs) ? inputs.includes('token_type_ids') : tokenizer.tokenTypes,
    file,
    unusual,
  };
}

function tokenizerClass(files: TokenizerFiles, { kind, encoderTokenizer }: ReadSettings): TokenizerClass {
  // lightning-ir derives the class from the encoder's type and ignores the file
  const named = kind === 'lightning-ir' ? undefined : files.config['tokenizer_class'];
  const isOwn = typeof named === 'string';
  const name = (isOwn ? named : (encoderTokenizer ?? 'BertTokenizer')).replace(/Fast$/, '');
  if (Object.hasOwn(CLASSES, name)) return CLASSES[name] as TokenizerClass;
  throw new RankDistillmError(
    'unsupported',
    `${join(files.folder, isOwn ? 'tokenizer_config.json' : 'config.json')}: tokenizer_class ${name} is not supported`,
    { hint: `Supported: ${Object.keys(CLASSES).join(', ')}, each also with the suffix Fast.` },
  );
}

/** Refuses unsupported keys of tokenizer_config.json that change tokens. */
function refuseKeys({ folder, config }: TokenizerFiles, { asStored }: TokenizerClass): void {
  // transformers 5 replaces the template of special tokens if one of these keys is present, even with false
  const template = asStored ? ['add_bos_token', 'add_eos_token'] : [];
  const key =
    config['split_special_tokens'] === true ? 'split_special_tokens' : template.find((name) => name in config);
  if (key === undefined) return;
  throw new RankDistillmError('unsupported', `${join(folder, 'tokenizer_config.json')}: ${key} is not supported`, {
    hint: `Remove ${key} from this file if the model was trained without it, or use another model.`,
  });
}

/** The definition of a model with no tokenizer.json. */
function defineFrom({ vocabulary, config }: TokenizerFiles, special: SpecialTokens): TokenizerDefinition {
  const files = vocabulary!;
  return 'merges' in files
    ? definitionFromMerges(files, special.content, flag(config, 'add_prefix_space', false))
    : definitionFromVocab(files, special.content, normalizerSettings(config));
}

function normalizerSettings(config: Record<string, unknown>) {
  return {
    lowercase: flag(config, 'do_lower_case', true),
    strip_accents: typeof config['strip_accents'] === 'boolean' ? config['strip_accents'] : null,
    handle_chinese_chars: flag(config, 'tokenize_chinese_chars', true),
  };
}

function applySettings(
  { normalizer, pre_tokenizer }: TokenizerDefinition,
  { config }: TokenizerFiles,
  { bert, asStored }: TokenizerClass,
): void {
  // in BertTokenizerFast and ElectraTokenizerFast, tokenizer_config.json overrides the normalizer of tokenizer.json
  if (bert && normalizer?.type === 'BertNormalizer') Object.assign(normalizer, normalizerSettings(config));
  // transformers 4 does this for every fast tokenizer
  if (pre_tokenizer?.type === 'ByteLevel' && !asStored) {
    pre_tokenizer.add_prefix_space = flag(config, 'add_prefix_space', false);
  }
}

/** Lowercases as sentence-transformers does for `do_lower_case`. */
function lowerCaseFirst(definition: TokenizerDefinition): void {
  const { normalizer } = definition;
  const steps = normalizer?.type === 'Sequence' ? (normalizer.normalizers ?? []) : normalizer ? [normalizer] : [];
  if (steps.some(({ type }) => type === 'Lowercase')) return;
  definition.normalizer = { type: 'Sequence', normalizers: [{ type: 'Lowercase' }, ...steps] };
}

function readTruncationSide(files: TokenizerFiles, definition: TokenizerDefinition): 'left' | 'right' {
  const side = files.config['truncation_side'] ?? definition.truncation?.direction ?? 'right';
  const lower = typeof side === 'string' ? side.toLowerCase() : side;
  if (lower === 'left' || lower === 'right') return lower;
  throw new RankDistillmError(
    'bad_input',
    `${join(files.folder, 'tokenizer_config.json')}: truncation_side is ${JSON.stringify(side)}`,
    {
      hint: 'Write "right" or "left".',
    },
  );
}

/** Builds the native tokenizer. */
export function buildTokenizer(description: TokenizerDescription): LoadedTokenizer {
  const { definition, toAdd, file } = description;
  const library = tokenizerLibrary();
  try {
    const native = library.Tokenizer.fromString(JSON.stringify(definition));
    native.addAddedTokens(
      toAdd.map(
        (token) =>
          new library.AddedToken(token.content, token.special, {
            singleWord: token.single_word,
            leftStrip: token.lstrip,
            rightStrip: token.rstrip,
            normalized: token.normalized,
          }),
      ),
    );
    refuseOverlaps(description, native);
    return { ...description, native };
  } catch (cause) {
    throw cause instanceof RankDistillmError ? cause : unusable(file, (cause as Error).message, cause);
  }
}

/**
 * Added tokens that make the library panic at some text: one that matches nothing once it is normalized (BERT removes
 * U+FFFD, which a lone surrogate becomes), and, beside a token that takes the white space after it, one of nothing but
 * white space that takes the one before it, because the two can overlap.
 */
function refuseOverlaps({ addedTokens, file }: TokenizerDescription, native: Tokenizer): void {
  const takesSpaceBehind = addedTokens.some((token) => token.rstrip);
  const normalizer = native.getNormalizer();
  for (const { content, lstrip, normalized } of addedTokens) {
    const matched = normalized && normalizer ? normalizer.normalizeString(content) : content;
    const shown = `added token ${JSON.stringify(content)}`;
    if (matched === '') throw unusable(file, `${shown} is empty once it is normalized`);
    if (takesSpaceBehind && lstrip && /^\p{White_Space}*$/u.test(matched)) {
      throw unusable(file, `${shown} strips white space and is nothing else`);
    }
  }
}

function flag(config: Record<string, unknown>, key: string, otherwise: boolean): boolean {
  const value = config[key];
  return typeof value === 'boolean' ? value : otherwise;
}

/**
 * True for BERT's normalizer, pre-tokenizer and WordPiece with added tokens that match only themselves (`[SEP]`). For
 * these the shortcuts of this folder give the same ids (docs/tokens.md): words are tokenized independently, so the
 * tokens of a text cut between two words are a prefix of the whole text's tokens, and a word's pieces spell the word.
 */
export function isPlainBert({ definition, addedTokens, truncationSide }: LoadedTokenizer): boolean {
  const { normalizer, pre_tokenizer, decoder, model } = definition;
  return (
    truncationSide === 'right' &&
    normalizer?.type === 'BertNormalizer' &&
    normalizer.clean_text === true &&
    pre_tokenizer?.type === 'BertPreTokenizer' &&
    decoder?.type === 'WordPiece' &&
    decoder.prefix === '##' &&
    model.type === 'WordPiece' &&
    model.continuing_subword_prefix === '##' &&
    addedTokens.some((token) => token.content === model.unk_token) &&
    addedTokens.every(
      (token) =>
        token.special &&
        !token.normalized &&
        !token.single_word &&
        !token.lstrip &&
        !token.rstrip &&
        /^\[\w+\]$/.test(token.content),
    )
  );
}
