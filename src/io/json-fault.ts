/** What `JSON.parse` found fault with. */
export interface JsonFault {
  /** On one line: the parser quotes the text as it is. */
  problem: string;
  /** 1-based; undefined where the parser names no position. */
  line: number | undefined;
}

const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** @param error what `JSON.parse` threw at `text` */
export function jsonFault(error: unknown, text: string): JsonFault {
  const { message } = error as Error;
  const position = / at position (\d+)/.exec(message)?.[1];
  return {
    problem: message
      .replace(/ \(line \d+ column \d+\)$/, '') // Node.js from 22 on, of the text, which may be a line of a file
      .replace(/\p{Cc}/gu, (character) => ESCAPES[character] ?? '\ufffd'),
    line: position === undefined ? undefined : text.slice(0, Number(position)).split('\n').length,
  };
}
