/** A document in passages, in its order. */
export interface Passages {
  /** At least one. */
  passages: Passage[];
  /** The end of the document was left out. */
  cut: boolean;
}

/** A part of a text. */
export interface Passage {
  text: string;
  /** UTF-16 units before it in the document. */
  start: number;
}

export interface SplitOptions {
  /** Most tokens of a passage. */
  tokens: number;
  /** Tokens that a passage shares with the one before it; at most half of `tokens` are. */
  overlap: number;
  /** Most passages. */
  most: number;
  /** [texts]: the number of tokens of each. */
  count: (texts: readonly string[]) => Promise<number[]>;
}

interface Piece {
  start: number;
  end: number;
  tokens: number;
}

/** A word with the white space before it, or one character of a script that has no spaces. */
const PIECES =
  /\s*(?:[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}]|[^\s\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}]+)/gu;
/** A longer word is cut: a token has at least a character. */
const LONGEST_PIECE = 64;
/** Pieces whose tokens are counted at a time. */
const PIECES_TOGETHER = 4096;

/**
 * Cuts a text between words into passages of at most `tokens` tokens, each as long as fits. Tokens are counted word by
 * word, which is exact for WordPiece, and for the others but for what they join over a space.
 */
export async function splitPassages(text: string, { tokens, overlap, most, count }: SplitOptions): Promise<Passages> {
  const shared = Math.min(overlap, Math.floor(tokens / 2));
  const passages: Passage[] = [];
  let open: Piece[] = [];
  let held = 0;
  const close = (): void => {
    const start = open[0]!.start;
    passages.push({ text: text.slice(start, open.at(-1)!.end), start });
    let kept = open.length;
    let again = 0;
    while (kept > 1 && again + open[kept - 1]!.tokens <= shared) again += open[--kept]!.tokens;
    open = open.slice(kept);
    held = again;
  };
  for await (const piece of countedPieces(text, count)) {
    if (open.length > 0 && held + piece.tokens > tokens) {
      close();
      if (passages.length === most) return { passages, cut: true };
      // what is shared gives way to a piece that is long
      while (open.length > 0 && held + piece.tokens > tokens) held -= open.shift()!.tokens;
    }
    open.push(piece);
    held += piece.tokens;
  }
  if (open.length > 0) close();
  return { passages: passages.length > 0 ? passages : [{ text, start: 0 }], cut: false };
}

async function* countedPieces(text: string, count: SplitOptions['count']): AsyncGenerator<Piece, void, undefined> {
  const known = new Map<string, number>();
  let batch: { start: number; end: number }[] = [];
  const flush = async function* (): AsyncGenerator<Piece, void, undefined> {
    const texts = batch.map(({ start, end }) => text.slice(start, end));
    const unknown = [...new Set(texts)].filter((piece) => !known.has(piece));
    const counts = await count(unknown);
    unknown.forEach((piece, i) => known.set(piece, counts[i]!));
    for (const [i, place] of batch.entries()) yield { ...place, tokens: known.get(texts[i]!)! };
    batch = [];
  };
  for (const { 0: piece, index } of text.matchAll(PIECES)) {
    const end = index + piece.length;
    for (let start = index; start < end;) {
      const to = start + LONGEST_PIECE >= end ? end : wholeCharacters(text, start + LONGEST_PIECE);
      batch.push({ start, end: to });
      start = to;
    }
    if (batch.length >= PIECES_TOGETHER) yield* flush();
  }
  if (batch.length > 0) yield* flush();
}

/** A place that does not lie within a character of two units. */
function wholeCharacters(text: string, at: number): number {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00 ? at - 1 : at;
}
