import { oneLine } from './one-line.js';

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
