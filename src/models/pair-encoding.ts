import { join } from 'node:path';
import { JsonReader, readJsonObject, type JsonObject } from './json-file.js';

/** How the tokenizer of a folder is read, apart from what its own files say. */
export interface TokenizerSettings {
  /** transformers' tokenizer class for the encoder's type, for folders that name none. Default `BertTokenizer`. */
  encoderTokenizer?: string | undefined;
  /** Keys that replace those of tokenizer_config.json. */
  tokenizerKeys?: JsonObject | undefined;
  /** All text is lowercased before the tokenizer's own normalizer sees it. */
  lowerCase?: boolean | undefined;
  /** Text put before every query. */
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

/** The longest pair that tokenizer_config.json allows. transformers writes 1e30 where the tokenizer knows no limit. */
export async function modelMaxLength(folder: string, replaced: JsonObject = {}): Promise<number> {
  const path = join(folder, 'tokenizer_config.json');
  const config = new JsonReader(path, { ...(await readJsonObject(path)), ...replaced });
  // tokenizers of 2019 and 2020 call it max_len; model_max_length comes first even when it is null
  const key = config.has('model_max_length') ? 'model_max_length' : 'max_len';
  const limit = config.number(key) ?? Infinity;
  if (!(limit > 0)) throw config.error(key, `${limit} is not above 0`);
  return Math.floor(limit);
}
