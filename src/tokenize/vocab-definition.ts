import { RankDistillmError } from '../errors.js';
import type { TokenizerDefinition } from './tokenizer-definition.js';

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
