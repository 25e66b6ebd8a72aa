import { RankDistillmError, readable } from '../errors.js';

/** Compares texts by code points, as in Python and UTF-8; JavaScript's order differs outside the basic plane. */
export function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** An error of `JSON.parse`. */
export interface JsonFault {
  /** The message, which quotes the text, in readable form. */
  problem: string;
  /** 1-based; undefined if the parser gives no position. */
  line: number | undefined;
}

/** @param error the error that `JSON.parse` threw for `text` */
export function jsonFault(error: unknown, text: string): JsonFault {
  const { message } = error as Error;
  const position = / at position (\d+)/.exec(message)?.[1];
  return {
    // since Node.js 22 messages end with a position in the text, which may be one line of a file
    problem: readable(message.replace(/ \(line \d+ column \d+\)$/, '')),
    line: position === undefined ? undefined : text.slice(0, Number(position)).split('\n').length,
  };
}

export type JsonObject = Record<string, unknown>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The beginning of a value as JSON, for messages. */
export function shownJson(value: unknown): string {
  try {
    const text = JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item));
    return text.length > 40 ? `${text.slice(0, 40)}…` : text;
  } catch {
    return 'a deep nest of lists'; // JSON.stringify calls itself for each level
  }
}

/**
 * Parses JSON.
 *
 * @param placeOf place of a line of the text, for the error; undefined if the parser gives no line
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

/** @throws RankDistillmError `bad_input` with `hint` if the value is not an object */
export function asJsonObject(value: unknown, place: string, hint: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw new RankDistillmError('bad_input', `${place}: expected a JSON object`, { hint });
}

/** UTF-8 sequences of four, three and two bytes that were decoded as Latin-1, one character a byte. */
const MISREAD = [/[\xf0-\xf4][\x80-\xbf]{3}/g, /[\xe0-\xef][\x80-\xbf]{2}/g, /[\xc2-\xdf][\x80-\xbf]/g];
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Undoes UTF-8 that was encoded twice: `donâ\x80\x99t` becomes `don’t`. Same result as ir_datasets' FixEncoding for the
 * MS MARCO passages. A text may mix broken and correct characters, so longer sequences are replaced first, and replaced
 * text is not scanned again.
 */
export function repairUtf8(text: string): string {
  return MISREAD.reduce((repaired, misread) => repaired.replace(misread, decoded), text);
}

function decoded(misread: string): string {
  try {
    return strict.decode(Buffer.from(misread, 'latin1'));
  } catch {
    return misread; // a surrogate or an overlong form
  }
}
