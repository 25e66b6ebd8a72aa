import { RankDistillmError } from '../errors.js';
import type { LoadedTokenizer } from './load-tokenizer.js';

/** The special tokens around the two sides of a pair, for BERT `[CLS] A [SEP] B [SEP]`. */
export interface PairTemplate {
  /** Special tokens before, between and after the sides. */
  before: SpecialRun;
  between: SpecialRun;
  after: SpecialRun;
  /** Token type of each side. */
  types: [first: number, second: number];
  /** Number of special tokens. */
  count: number;
}

interface SpecialRun {
  ids: number[];
  types: number[];
}

/**
 * Derives the template from one pair that the tokenizer encodes, so that every kind of post-processor works without
 * reimplementing it.
 */
export async function learnPairTemplate(tokenizer: LoadedTokenizer): Promise<PairTemplate> {
  const encoding = await tokenizer.native.encode('a', 'a');
  const ids = encoding.getIds();
  const types = tokenizer.tokenTypes ? encoding.getTypeIds() : ids.map(() => 0);
  const sides = encoding.getSequenceIds().map((side) => side ?? null);
  const firstAt = sides.indexOf(0);
  const firstEnd = sides.lastIndexOf(0) + 1;
  const secondAt = sides.indexOf(1);
  const secondEnd = sides.lastIndexOf(1) + 1;
  if (
    firstAt < 0 ||
    secondAt < firstEnd ||
    sides.slice(firstAt, firstEnd).includes(null) ||
    sides.slice(secondAt, secondEnd).includes(null)
  ) {
    throw new RankDistillmError('unsupported', `${tokenizer.file}: pairs are not built as query, then document`, {
      hint: 'Use a model whose post_processor adds special tokens around the two texts, as in BERT.',
    });
  }
  const run = (start: number, end: number): SpecialRun => ({
    ids: ids.slice(start, end),
    types: types.slice(start, end),
  });
  return {
    before: run(0, firstAt),
    between: run(firstEnd, secondAt),
    after: run(secondEnd, ids.length),
    types: [types[firstAt] ?? 0, types[secondAt] ?? 0],
    count: sides.filter((side) => side === null).length,
  };
}

/**
 * Writes one pair into `ids` and `types` (views of the pair's exact length).
 */
export function fillPair(
  template: PairTemplate,
  first: Int32Array,
  second: Int32Array,
  ids: Int32Array,
  types: Uint8Array,
): void {
  let at = 0;
  const special = (run: SpecialRun) => {
    ids.set(run.ids, at);
    types.set(run.types, at);
    at += run.ids.length;
  };
  const side = (part: Int32Array, type: number) => {
    ids.set(part, at);
    types.fill(type, at, at + part.length);
    at += part.length;
  };
  special(template.before);
  side(first, template.types[0]);
  special(template.between);
  side(second, template.types[1]);
  special(template.after);
}

/**
 * Number of tokens kept of each side when `longest_first` truncates a pair to `room` tokens.
 *
 * Source: `truncate_encodings` of Hugging Face tokenizers (used by sentence-transformers and transformers). It does not
 * remove tokens one by one: it truncates the longer side first; if both must be truncated, each keeps half of the
 * budget, and the longer side gets the extra token of an odd budget (the second side if both are equally long).
 *
 * @param first tokens of the first side
 * @param second tokens of the second side
 * @param room token budget for both sides, without special tokens
 */
export function longestFirst(first: number, second: number, room: number): [first: number, second: number] {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  let keepShorter = shorter;
  let keepLonger = shorter > room ? shorter : Math.max(shorter, room - shorter);
  if (keepShorter + keepLonger > room) {
    keepShorter = Math.floor(room / 2);
    keepLonger = keepShorter + (room % 2);
  }
  return first > second ? [keepLonger, keepShorter] : [keepShorter, keepLonger];
}
