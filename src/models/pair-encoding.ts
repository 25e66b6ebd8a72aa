import { join } from 'node:path';
import { JsonReader, readJsonObject, type JsonObject } from './json-file.js';

/** Tokenizer settings that do not come from the tokenizer's files. */
export interface TokenizerSettings {
  /** transformers' tokenizer class for the encoder's type, if the folder names none. Default `BertTokenizer`. */
  encoderTokenizer?: string | undefined;
  /** Overrides for keys of tokenizer_config.json. */
  tokenizerKeys?: JsonObject | undefined;
  /** Lowercase all text before the tokenizer's normalizer. */
  lowerCase?: boolean | undefined;
  /** Prefix of every query. */
  prompt?: string | undefined;
}

/**
 * How a model turns a pair of texts into token ids. `maxLength`: min(model_max_length, positions of the encoder).
 *
 * - `lightning-ir`: each side is tokenized and truncated alone (null: not truncated), decoded, and encoded again as a
 *   pair. The pair is truncated as well (longest_first, `prepare_input(truncation=True)`), to `maxLength` tokens.
 * - `longest-first`: sentence-transformers' CrossEncoder: one encoding of the pair, truncated longest_first to
 *   `maxLength` tokens.
 */
export type PairEncoding = TokenizerSettings &
  (
    | { kind: 'lightning-ir'; queryLength: number | null; docLength: number | null; maxLength: number }
    | { kind: 'longest-first'; maxLength: number }
  );

/** The longest pair that tokenizer_config.json allows. transformers writes 1e30 for no limit. */
export async function modelMaxLength(folder: string, replaced: JsonObject = {}): Promise<number> {
  const path = join(folder, 'tokenizer_config.json');
  const config = new JsonReader(path, { ...(await readJsonObject(path)), ...replaced });
  // tokenizers of 2019 and 2020 use max_len; model_max_length takes precedence even when it is null
  const key = config.has('model_max_length') ? 'model_max_length' : 'max_len';
  const limit = config.number(key) ?? Infinity;
  if (!(limit > 0)) throw config.error(key, `${limit} is not above 0`);
  return Math.floor(limit);
}
