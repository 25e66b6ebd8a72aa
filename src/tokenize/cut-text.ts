/**
 * Whitespace and punctuation that plain BERT always splits at and that none of its added tokens holds. Not `\s`: that
 * includes U+FEFF and form feeds, which BERT deletes, joining the words around them.
 */
const BOUNDARY = /[ \t\n\r.,;:!?。，、]/;

/** How far back from the limit a boundary is looked for. */
const LOOK_BACK = 1024;

/**
 * The beginning of `text`, at most `limit` UTF-16 units long and cut before a boundary between words, or the whole
 * text when it is shorter or has no boundary there.
 */
export function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  for (let at = limit; at > Math.max(0, limit - LOOK_BACK); at--) {
    if (BOUNDARY.test(text[at] as string)) return text.slice(0, at);
  }
  return text;
}
