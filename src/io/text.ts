import { RankDistillmError } from '../errors.js';

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

export type JsonObject = Record<string, unknown>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Parses JSON.
 *
 * @param placeOf where a line of the text is, for the error; undefined: the parser names none
 * @throws RankDistillmError `bad_input` with `hint`
 */
export function parseJson(text: string, placeOf: (line: number | undefined) => string, hint: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { problem, line } = jsonFault(cause, text);
    throw new RankDistillmError('bad_input', `${placeOf(line)}: not valid JSON (${problem})`, { hint, cause });
  }
}

/** Parses a line that must be a JSON object; errors as `parseJson`. */
export function parseJsonObject(text: string, place: string, hint: string): JsonObject {
  return asJsonObject(
    parseJson(text, () => place, hint),
    place,
    hint,
  );
}

/** @throws RankDistillmError `bad_input` with `hint` where the value is none */
export function asJsonObject(value: unknown, place: string, hint: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw new RankDistillmError('bad_input', `${place}: expected a JSON object`, { hint });
}
