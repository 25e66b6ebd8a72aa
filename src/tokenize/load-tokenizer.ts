import { join } from 'node:path';
import { AddedToken, Tokenizer } from 'tokenizers';
import { RankDistillmError } from '../errors.js';
import type { PairEncoding } from '../models/checkpoint.js';
import { resolveSpecialTokens, type SpecialTokens } from './special-tokens.js';
import { definitionFromVocab, isRecord, readTokenizerFiles } from './tokenizer-files.js';
import type { AddedTokenEntry, TokenizerDefinition, TokenizerFiles } from './tokenizer-files.js';

/**
 * A model's tokenizer as transformers 4.57 would have it, without stored truncation and padding. It can be written as
 * JSON.
 */
export interface TokenizerDescription {
  definition: TokenizerDefinition;
  /** Tokens that other files add to those of the definition, in this order. */
  toAdd: AddedTokenEntry[];
  /** All tokens matched in raw text: those of the definition and those the other files add. */
  addedTokens: AddedTokenEntry[];
  /** transformers' `clean_up_tokenization_spaces`. */
  cleanUp: boolean;
  truncationSide: 'left' | 'right';
  /** False for models that are given no token_type_ids: all are 0 then. */
  tokenTypes: boolean;
  /** The file the vocabulary came from, for messages. */
  file: string;
}

export interface LoadedTokenizer extends TokenizerDescription {
  native: Tokenizer;
}

const MODELS = ['WordPiece', 'BPE', 'Unigram', 'WordLevel'];

/** Tokenizer classes of transformers (without `Fast`) that encoders of the BERT family come with. */
const CLASSES: Record<string, { bert: boolean; tokenTypes: boolean }> = {
  BertTokenizer: { bert: true, tokenTypes: true },
  ElectraTokenizer: { bert: true, tokenTypes: true },
  DistilBertTokenizer: { bert: true, tokenTypes: false },
  PreTrainedTokenizer: { bert: false, tokenTypes: true },
};

/** Reads the tokenizer files of a model folder and builds the native tokenizer from them. */
export async function loadTokenizer(folder: string, kind: PairEncoding['kind']): Promise<LoadedTokenizer> {
  return buildTokenizer(await describeTokenizer(folder, kind));
}

async function describeTokenizer(folder: string, kind: PairEncoding['kind']): Promise<TokenizerDescription> {
  const files = await readTokenizerFiles(folder);
  const { bert, tokenTypes } = tokenizerClass(files, kind);
  const known = (files.tokenizer?.['added_tokens'] ?? []) as AddedTokenEntry[];
  const special = resolveSpecialTokens(files, known, bert);
  const definition = define(files, special, bert);
  const truncationSide = readTruncationSide(files, definition);
  // the pair is cut here; what the file stores would cut or pad every text
  definition.truncation = null;
  definition.padding = null;
  const file = join(folder, files.tokenizer === undefined ? 'vocab.txt' : 'tokenizer.json');
  const { config } = files;
  const inputs = config['model_input_names'];
  return {
    definition,
    toAdd: special.toAdd,
    addedTokens: [...known, ...special.toAdd],
    // transformers' own default differs: its slow tokenizers, which read vocab.txt, clean up
    cleanUp: flag(config, 'clean_up_tokenization_spaces', files.tokenizer === undefined),
    truncationSide,
    tokenTypes: Array.isArray(inputs) ? inputs.includes('token_type_ids') : tokenTypes,
    file,
  };
}

function tokenizerClass(files: TokenizerFiles, kind: PairEncoding['kind']): { bert: boolean; tokenTypes: boolean } {
  if (files.config['split_special_tokens'] === true) {
    throw new RankDistillmError(
      'unsupported',
      `${join(files.folder, 'tokenizer_config.json')}: split_special_tokens is not supported`,
      {
        hint: 'Set split_special_tokens to false, or use a model that was trained without it.',
      },
    );
  }
  const name = files.config['tokenizer_class'];
  // lightning-ir takes the class from the encoder's type, whatever the file says
  if (kind === 'lightning-ir' || typeof name !== 'string') return { bert: true, tokenTypes: true };
  const known = CLASSES[name.replace(/Fast$/, '')];
  if (known !== undefined) return known;
  throw new RankDistillmError(
    'unsupported',
    `${join(files.folder, 'tokenizer_config.json')}: tokenizer_class ${name} is not supported`,
    {
      hint: `Supported are ${Object.keys(CLASSES).join(', ')}, each also with Fast at its end.`,
    },
  );
}

function define(files: TokenizerFiles, special: SpecialTokens, bert: boolean): TokenizerDefinition {
  const lowercase = flag(files.config, 'do_lower_case', true);
  const splitChinese = flag(files.config, 'tokenize_chinese_chars', true);
  const accents = files.config['strip_accents'];
  const stripAccents = typeof accents === 'boolean' ? accents : null;
  if (files.tokenizer === undefined) {
    const { unk = '[UNK]', cls = '[CLS]', sep = '[SEP]' } = special.content;
    const file = join(files.folder, 'vocab.txt');
    return definitionFromVocab(files.vocab ?? '', {
      file,
      lowercase,
      stripAccents,
      splitChinese,
      unknown: unk,
      cls,
      sep,
    });
  }
  const definition = files.tokenizer as unknown as TokenizerDefinition;
  const file = join(files.folder, 'tokenizer.json');
  const type = isRecord(definition.model) ? definition.model.type : undefined;
  if (type === undefined || !MODELS.includes(type)) {
    throw new RankDistillmError('unsupported', `${file}: model type ${type ?? 'missing'} is not supported`, {
      hint: `Supported are ${MODELS.join(', ')}; the file may also be no tokenizer.json of Hugging Face's tokenizers.`,
    });
  }
  // BertTokenizerFast and ElectraTokenizerFast let tokenizer_config.json overrule the normalizer of tokenizer.json
  if (bert && definition.normalizer?.type === 'BertNormalizer') {
    Object.assign(definition.normalizer, {
      lowercase,
      strip_accents: stripAccents,
      handle_chinese_chars: splitChinese,
    });
  }
  return definition;
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
  try {
    const native = Tokenizer.fromString(JSON.stringify(definition));
    native.addAddedTokens(
      toAdd.map(
        (token) =>
          new AddedToken(token.content, token.special, {
            singleWord: token.single_word,
            leftStrip: token.lstrip,
            rightStrip: token.rstrip,
            normalized: token.normalized,
          }),
      ),
    );
    return { ...description, native };
  } catch (cause) {
    throw new RankDistillmError('bad_input', `${file}: not a usable tokenizer: ${(cause as Error).message}`, {
      hint: 'The file is damaged or was made by a newer version of tokenizers; fetch it again, or save it again with transformers 4.',
      cause,
    });
  }
}

function flag(config: Record<string, unknown>, key: string, otherwise: boolean): boolean {
  const value = config[key];
  return typeof value === 'boolean' ? value : otherwise;
}

/**
 * True for BERT's own normalizer, splitter and WordPiece with added tokens that only match themselves (`[SEP]`). For
 * these the short cuts of this folder are exact (docs/tokens.md): words are tokenized one by one, so that a text cut
 * between two words has the beginning of the whole text's tokens, and a word's pieces spell the word.
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
