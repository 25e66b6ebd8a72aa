import { at, RankDistillmError } from '../errors.js';
import { readRegularFileIfPresent } from '../io/regular-file.js';
import { jsonFault } from '../io/text.js';

export type JsonObject = Record<string, unknown>;

/**
 * A config.json has 1 kB; the index of a sharded model with hundreds of layers about 100 kB. Parsing so much blocks the
 * event loop for less than 0.1 s.
 */
export const MAX_JSON_BYTES = 4 * 1024 * 1024;

/** A tokenizer.json with a vocabulary of 250,000 tokens (XLM-RoBERTa) takes 17 MB. Parsed in a thread above 1 MB. */
export const MAX_TOKENIZER_BYTES = 32 * 1024 * 1024;

/** Reads a JSON object; undefined when the file does not exist. */
export async function readJsonObject(path: string, maxBytes = MAX_JSON_BYTES): Promise<JsonObject | undefined> {
  const value = await readJson(path, maxBytes);
  if (value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value))) {
    return value as JsonObject | undefined;
  }
  throw new RankDistillmError('bad_input', `${path}: is not a JSON object`, {
    hint: 'Copy or download the file again.',
  });
}

/** Reads a JSON file; undefined when it does not exist. */
export async function readJson(path: string, maxBytes = MAX_JSON_BYTES): Promise<unknown> {
  const bytes = await readRegularFileIfPresent(path, { bytes: maxBytes });
  if (bytes === undefined) return undefined;
  const fault = jsonShapeFault(bytes, maxBytes);
  if (fault !== undefined) {
    throw new RankDistillmError('bad_input', `${path}: ${fault}`, { hint: 'Copy or download the file again.' });
  }
  let text = '';
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return JSON.parse(text);
  } catch (cause) {
    const { problem, line } = jsonFault(cause, text);
    throw new RankDistillmError('bad_input', `${at(path, line)}: is not JSON: ${problem}`, {
      hint: 'Copy or download the file again.',
      cause,
    });
  }
}

/** Objects and lists within each other; a tokenizer.json has 7. Deeper ones overflow the stack of recursive readers. */
const MOST_DEPTH = 100;
/** A list or object takes up to 300 bytes of memory: with these for each, parsing takes 20 times the limit at most. */
const BYTES_PER_CONTAINER = 16;

/** What makes JSON take much more memory than its text, or too many levels; undefined for ordinary JSON, or none. */
export function jsonShapeFault(bytes: Uint8Array, maxBytes: number): string | undefined {
  let depth = 0;
  let containers = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === 0x22 /* " */) {
      for (i++; i < bytes.length && bytes[i] !== 0x22; i++) if (bytes[i] === 0x5c /* \\ */) i++;
    } else if (byte === 0x7b /* { */ || byte === 0x5b /* [ */) {
      containers++;
      if (++depth > MOST_DEPTH) return `is nested deeper than ${MOST_DEPTH}`;
    } else if (byte === 0x7d /* } */ || byte === 0x5d /* ] */) {
      depth--;
    }
  }
  const most = maxBytes / BYTES_PER_CONTAINER;
  return containers > most ? `has ${containers} lists and objects, more than ${most}` : undefined;
}

/** Reads typed keys of a JSON object; an error names file and key. `null` counts as absent. */
export class JsonReader {
  constructor(
    readonly path: string,
    readonly object: JsonObject,
  ) {}

  /** Whether the key is present, even with null. */
  has(key: string): boolean {
    return Object.hasOwn(this.object, key);
  }

  raw(key: string): unknown {
    return this.has(key) ? (this.object[key] ?? undefined) : undefined;
  }

  string(key: string): string | undefined {
    return this.#typed(key, 'a text', (value) => typeof value === 'string') as string | undefined;
  }

  boolean(key: string): boolean | undefined {
    return this.#typed(key, 'true or false', (value) => typeof value === 'boolean') as boolean | undefined;
  }

  number(key: string): number | undefined {
    return this.#typed(key, 'a number', (value) => typeof value === 'number') as number | undefined;
  }

  /** A size: a whole number above zero and within the limit. */
  size(key: string): number | undefined {
    const isSize = (value: unknown) => Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31;
    return this.#typed(key, 'a whole number above 0', isSize) as number | undefined;
  }

  error(key: string, problem: string, hint = `Correct the key ${key} in this file.`): RankDistillmError {
    return new RankDistillmError('bad_input', `${this.path}: ${key}: ${problem}`, { hint });
  }

  #typed(key: string, expected: string, accepts: (value: unknown) => boolean): unknown {
    const value = this.raw(key);
    if (value === undefined || accepts(value)) return value;
    throw this.error(key, `expected ${expected}, found ${JSON.stringify(value).slice(0, 100)}`);
  }
}

/** Strings, brackets, separators, and literals (numbers, true, false, null). */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g;

/**
 * The members of a JSON object as raw text: key to the value's characters. JSON.parse and JSON.stringify would change
 * 0.0 to 0 and 1000000000000000019884624838656 to 1e+30, which Python reads as other types.
 *
 * @param text a JSON object that JSON.parse has accepted
 */
export function membersOf(text: string): Map<string, string> {
  const members = new Map<string, string>();
  let depth = 0;
  let key: string | undefined;
  let start: number | undefined;
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [token] = match;
    if (depth === 1 && (token === ',' || token === '}') && key !== undefined) {
      members.set(key, text.slice(start, end));
      key = undefined;
      start = undefined;
    } else if (depth === 1 && token !== ':' && token !== ',') {
      if (key === undefined) key = JSON.parse(token) as string;
      else start ??= match.index;
    }
    if (token === '{' || token === '[') depth++;
    if (token === '}' || token === ']') depth--;
    end = match.index + token.length;
  }
  return members;
}

/** Formats such members as a JSON object, sorted by key and indented by two as Python's libraries do. */
export function joinMembers(members: ReadonlyMap<string, string>): string {
  const lines = [...members]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `  ${JSON.stringify(key)}: ${value}`);
  return lines.length === 0 ? '{}\n' : `{\n${lines.join(',\n')}\n}\n`;
}

/** Sets members to values, written as JSON. */
export function setMembers(members: Map<string, string>, values: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(values)) members.set(key, JSON.stringify(value));
}
