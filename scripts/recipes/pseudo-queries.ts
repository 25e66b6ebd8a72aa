import { RandomStream } from '../../src/random/random-stream.js';
import { Bm25, wordsOf } from '../demo/bm25.js';

/** A query made from a passage, and passages to put in order for it. */
export interface PseudoQuery {
  query: string;
  /** Ids: the passage it was made from, some that BM25 finds for it, some at random. */
  candidates: string[];
}

/** Words of a phrase, at least and at most, and where in the passage it ends at the latest. */
const PHRASE_WORDS = [1, 5] as const;
const LAST_WORD = 45;
/** Letters and share of passages of a word that a phrase may begin or end with. */
const LEAST_LETTERS = 4;
const MOST_PASSAGES = 0.05;
/** How people begin a question; as often, a phrase stands alone. */
const OPENINGS = [
  ...['what is', 'what is the', 'what are', 'definition of', 'how to', 'how does', 'how much is', 'how long does'],
  ...['who is', 'why is', 'when was', 'where is', 'what causes', 'meaning of', 'types of', 'difference between'],
];
const OPENING_SHARE = 0.5;
/** Candidates: BM25's, out of its best so many, and passages at random. */
const FOUND = 4;
const FOUND_DEPTH = 30;
const EASY = 3;

/** Words that are in few of the passages. */
function rareWords(passages: Iterable<string>): Set<string> {
  const counts = new Map<string, number>();
  let total = 0;
  for (const text of passages) {
    total += 1;
    for (const word of new Set(wordsOf(text))) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const rare = [...counts].filter(([word, n]) => word.length >= LEAST_LETTERS && n < MOST_PASSAGES * total);
  return new Set(rare.map(([word]) => word));
}

function phraseOf(text: string, rare: ReadonlySet<string>, random: RandomStream): string | undefined {
  const words = wordsOf(text).slice(0, LAST_WORD);
  const length = PHRASE_WORDS[0] + random.below(PHRASE_WORDS[1] - PHRASE_WORDS[0] + 1);
  const starts = [...words.keys()].filter(
    (start) => rare.has(words[start]!) && rare.has(words[start + length - 1] ?? ''),
  );
  if (starts.length === 0) return undefined;
  const start = starts[random.below(starts.length)]!;
  return words.slice(start, start + length).join(' ');
}

/**
 * Queries for a first stage without judgements: phrases of passages, half of them behind the beginning of a question.
 * Each comes with the passage it was taken from, four of BM25's best thirty and three random passages, so that a fresh
 * head finds differences to learn from at once.
 *
 * @param passages text by id
 * @returns up to `count` of them, the same on every machine; several of a passage where there are fewer passages
 */
export function makePseudoQueries(passages: ReadonlyMap<string, string>, count: number): PseudoQuery[] {
  const ids = [...passages.keys()];
  const rare = rareWords(passages.values());
  const bm25 = new Bm25([...passages.values()]);
  const result = new Map<string, PseudoQuery>();
  for (let round = 0; result.size < count && round < 10; ++round) {
    const random = new RandomStream({ seed: 0, purpose: 'pseudo', epoch: round });
    for (const id of random.shuffle([...ids])) {
      if (result.size === count) break;
      const phrase = phraseOf(passages.get(id)!, rare, random);
      if (phrase === undefined) continue;
      const opening = random.float() < OPENING_SHARE ? `${OPENINGS[random.below(OPENINGS.length)]!} ` : '';
      const found = bm25.search(phrase, FOUND_DEPTH + 1).map(({ index }) => ids[index]!);
      const hard = found.filter((other) => other !== id);
      const own = new Set([id, ...found]);
      const easy = random.choose(ids, EASY + FOUND_DEPTH + 1).filter((other) => !own.has(other));
      if (hard.length < FOUND || easy.length < EASY) continue;
      const candidates = [id, ...random.choose(hard, FOUND), ...easy.slice(0, EASY)];
      const query = `${opening}${phrase}`;
      result.set(query, { query, candidates });
    }
  }
  return [...result.values()];
}
