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
