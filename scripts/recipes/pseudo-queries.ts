import { RandomStream } from '../../src/random/random-stream.js';
import { Bm25 } from '../demo/bm25.js';

/** A piece of a passage as a query for the rest of it. */
export interface PseudoQuery {
  query: string;
  /** The passage without the piece, now and then with it. */
  positive: string;
  /** Ids of passages that BM25 finds for the query, then of passages at random. */
  hard: string[];
  easy: string[];
}

/** Words that a sentence must have to be taken, at least and at most, and words that the rest must have. */
const SENTENCE_WORDS = [4, 18] as const;
const REST_WORDS = 15;
/** Share of queries cut to a few of their long words, as people type them; and of positives that keep the sentence. */
const KEYWORD_SHARE = 0.6;
const KEPT_SHARE = 0.1;

const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

function keywords(words: readonly string[], random: RandomStream): string[] {
  const long = [...words.keys()].filter((index) => words[index]!.length > 3);
  const count = Math.min(long.length, 3 + random.below(4));
  return random
    .choose(long, count)
    .sort((a, b) => a - b)
    .map((index) => words[index]!);
}

function split(text: string, random: RandomStream): { query: string; positive: string } | undefined {
  const sentences = text.split(/(?<=[.?!])\s+/).filter((sentence) => {
    const { length } = wordsOf(sentence);
    return length >= SENTENCE_WORDS[0] && length <= SENTENCE_WORDS[1];
  });
  if (sentences.length === 0) return undefined;
  const sentence = sentences[random.below(sentences.length)]!;
  const rest = wordsOf(text.replace(sentence, ' ')).join(' ');
  if (wordsOf(rest).length < REST_WORDS) return undefined;
  const words = wordsOf(sentence.replace(/[^\p{L}\p{N}' -]/gu, '')).map((word) => word.toLowerCase());
  const query = (random.float() < KEYWORD_SHARE ? keywords(words, random) : words).join(' ');
  return query === '' ? undefined : { query, positive: random.float() < KEPT_SHARE ? text : rest };
}

/**
 * Pseudo queries for a first stage without judgements: the inverse cloze task of Lee, Chang and Toutanova, Latent
 * Retrieval for Weakly Supervised Open Domain Question Answering, ACL 2019. A sentence asks for the passage it was taken
 * from, against `negatives / 2` passages that BM25 finds for it and as many at random: with hard ones only, a fresh head
 * learns nothing for a long time.
 *
 * @param passages text by id
 * @returns up to `count` of them, the same on every machine
 */
export function makePseudoQueries(
  passages: ReadonlyMap<string, string>,
  count: number,
  negatives: number,
): PseudoQuery[] {
  const ids = [...passages.keys()];
  const bm25 = new Bm25([...passages.values()]);
  const random = new RandomStream({ seed: 0, purpose: 'pseudo', epoch: 0 });
  const half = Math.floor(negatives / 2);
  const result: PseudoQuery[] = [];
  for (const id of random.shuffle(ids)) {
    if (result.length === count) break;
    const parts = split(passages.get(id)!, random);
    if (parts === undefined) continue;
    const found = bm25.search(parts.query, half + 1).map(({ index }) => ids[index]!);
    const hard = found.filter((other) => other !== id).slice(0, half);
    const own = new Set([id, ...found]);
    const easy = random.choose(ids, negatives + 2).filter((other) => !own.has(other));
    if (hard.length + easy.length >= negatives) {
      result.push({ ...parts, hard, easy: easy.slice(0, negatives - hard.length) });
    }
  }
  return result;
}
