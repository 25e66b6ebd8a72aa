export const SPECIAL_TOKENS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] as const;

/** A word has to occur this often to be an entry of its own. */
const MIN_WORD_COUNT = 3;
/** Longest piece of a name, in letters: about a syllable. */
const MAX_PIECE = 4;

/** What questions and users may type though the passages never hold it. */
const ASCII = [...'abcdefghijklmnopqrstuvwxyz0123456789!"#$%&\'()*+,-./:;<=>?@[]^_`{|}~'];

/** Words and single other signs, as WordPiece's first step parts them. */
function wordsOf(text: string): string[] {
  return text.match(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) ?? [];
}

const countUp = (counts: Map<string, number>, key: string, by = 1): void =>
  void counts.set(key, (counts.get(key) ?? 0) + by);

/** The `size` keys with the largest counts, ties in the alphabet's order. */
function mostFrequent(counts: ReadonlyMap<string, number>, size: number): string[] {
  return [...counts]
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, size)
    .map(([key]) => key);
}

/** How many letters a piece spares, summed over the words that hold it; `##` marks pieces inside of words. */
function countPieces(words: ReadonlyMap<string, number>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [word, count] of words) {
    for (let start = 0; start < word.length; start++) {
      for (let length = 2; length <= MAX_PIECE && start + length <= word.length; length++) {
        const piece = word.slice(start, start + length);
        countUp(counts, start === 0 ? piece : `##${piece}`, count * (length - 1));
      }
    }
  }
  return counts;
}

/**
 * A WordPiece vocabulary (lower case) of a corpus by plain counting: special tokens, all characters of the corpus and of
 * ASCII, the frequent words that occur in lower case, and the pieces that the other words are made of. Names are thereby
 * cut into syllables: a name never seen in training still consists of pieces that were.
 *
 * @param pieces how many pieces of words to keep
 */
export function buildVocabulary(texts: readonly string[], pieces: number): string[] {
  const common = new Map<string, number>();
  const rest = new Map<string, number>();
  const characters = new Set(ASCII);
  for (const text of texts) {
    for (const word of wordsOf(text)) {
      const lower = word.toLowerCase();
      for (const character of lower) characters.add(character);
      countUp(word === lower ? common : rest, lower);
    }
  }
  const words = mostFrequent(common, common.size).filter((word) => common.get(word)! >= MIN_WORD_COUNT);
  for (const word of words) rest.delete(word);
  const letters = [...characters].sort();
  return [
    ...new Set([
      ...SPECIAL_TOKENS,
      ...letters,
      ...letters.filter((letter) => /[\p{L}\p{N}]/u.test(letter)).map((letter) => `##${letter}`),
      ...words,
      ...mostFrequent(countPieces(rest), pieces),
    ]),
  ];
}

/** Entries that are no language's words, to fill a vocabulary of a given size: pieces of one, two and three letters. */
export function madeUpVocabulary(size: number): string[] {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const longer = (heads: readonly string[]): string[] =>
    heads.flatMap((head) => letters.map((letter) => head + letter));
  const pairs = longer(letters);
  const triples = longer(pairs);
  const inner = (entries: readonly string[]): string[] => entries.map((entry) => `##${entry}`);
  const short = [...ASCII, ...pairs, ...inner([...ASCII.slice(0, 36), ...pairs])];
  const entries = [...SPECIAL_TOKENS, ...short, ...triples, ...inner(triples)];
  if (size > entries.length)
    throw new RangeError(`at most ${entries.length} entries can be made up, ${size} were asked for`);
  return entries.slice(0, size);
}
