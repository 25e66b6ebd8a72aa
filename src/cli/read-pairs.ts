import { addAbortSignal, type Readable } from 'node:stream';
import { at, RankDistillmError, throwIfAborted } from '../errors.js';
import { parseJsonObject } from '../io/text.js';
import { linesOf, readLines, type Line } from '../io/lines.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';

const STDIN = 'standard input';

const HINT = 'Write one JSON object a line: {"query": "…", "document": "…"}.';

/** Names a document may go by. */
const DOCUMENT_KEYS = ['document', 'doc', 'text'] as const;

/** Pairs of a JSON Lines file, or of standard input for `-`, one at a time. */
export async function* readPairs(path: string, stdin: Readable, signal: AbortSignal): AsyncGenerator<TextPair> {
  const [name, blocks] = path === '-' ? [STDIN, linesOf(untilAborted(stdin, signal), STDIN)] : [path, readLines(path)];
  for await (const lines of blocks) {
    for (const line of lines) yield parsePair(line, name);
  }
}

function parsePair(line: Line, name: string): TextPair {
  const place = at(name, line.number);
  const columns = parseJsonObject(line.text, place, HINT);
  const documentKey = DOCUMENT_KEYS.find((key) => Object.hasOwn(columns, key));
  return {
    query: textOf(columns, 'query', place),
    document: textOf(columns, documentKey ?? 'document', place),
  };
}

function textOf(columns: Record<string, unknown>, key: string, place: string): string {
  const value = Object.hasOwn(columns, key) ? columns[key] : undefined;
  if (typeof value === 'string') return value;
  const received = value === undefined ? `keys found: ${Object.keys(columns).join(', ') || 'none'}` : typeName(value);
  throw new RankDistillmError('bad_input', `${place}: ${key}: expected a text, ${received}`, {
    hint: 'A pair has "query" and "document" (or "doc" or "text"), both texts.',
  });
}

function typeName(value: unknown): string {
  if (value === null) return 'received null';
  return Array.isArray(value)
    ? 'received a list'
    : `received ${typeof value === 'object' ? 'an object' : typeof value}`;
}

/** Somebody may never send another byte; an interrupt has to end the waiting for it. */
async function* untilAborted(stream: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of addAbortSignal(signal, stream)) yield Buffer.from(chunk as Buffer | string);
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
}
