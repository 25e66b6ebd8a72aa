/** Orders texts by code points, as Python and UTF-8 bytes do; JavaScript's own order differs outside the basic plane. */
export function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** What `JSON.parse` found fault with. */
export interface JsonFault {
  /** On one line: the parser quotes the text as it is. */
  problem: string;
  /** 1-based; undefined where the parser names no position. */
  line: number | undefined;
}

/** @param error what `JSON.parse` threw at `text` */
export function jsonFault(error: unknown, text: string): JsonFault {
  const { message } = error as Error;
  const position = / at position (\d+)/.exec(message)?.[1];
  return {
    // Node.js from 22 on ends with a place in the text, which may be a line of a file
    problem: oneLine(message.replace(/ \(line \d+ column \d+\)$/, '')),
    line: position === undefined ? undefined : text.slice(0, Number(position)).split('\n').length,
  };
}

const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Text as it may stand within a line: what ends one, or moves a terminal's cursor, is written out. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => ESCAPES[character] ?? '\ufffd');
}
