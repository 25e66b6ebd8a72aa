import { addAbortSignal, type Readable } from 'node:stream';
import { at, RankDistillmError, throwIfAborted } from '../errors.js';
import { jsonFault } from '../io/text.js';
import { endlessLine, MAX_LINE_BYTES, readLines, splitLines, type Line } from '../io/lines.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';

/** Names a document may go by. */
const DOCUMENT_KEYS = ['document', 'doc', 'text'] as const;

/** Pairs of a JSON Lines file, or of standard input for `-`, one at a time. */
export async function* readPairs(path: string, stdin: Readable, signal: AbortSignal): AsyncGenerator<TextPair> {
  const [name, blocks] = path === '-' ? ['standard input', streamLines(stdin, signal)] : [path, readLines(path)];
  for await (const lines of blocks) {
    for (const line of lines) yield parsePair(line, name);
  }
}

function parsePair(line: Line, name: string): TextPair {
  const place = at(name, line.number);
  let record: unknown;
  try {
    record = JSON.parse(line.text);
  } catch (cause) {
    throw new RankDistillmError('bad_input', `${place}: not JSON: ${jsonFault(cause, line.text).problem}`, {
      hint: 'Write one JSON object a line: {"query": "…", "document": "…"}.',
      cause,
    });
  }
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new RankDistillmError('bad_input', `${place}: expected a JSON object`, {
      hint: 'Write one JSON object a line: {"query": "…", "document": "…"}.',
    });
  }
  const columns = record as Record<string, unknown>;
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

async function* streamLines(stream: Readable, signal: AbortSignal): AsyncGenerator<Line[]> {
  const place = { name: 'standard input', offset: 0, number: 1 };
  let rest: Buffer[] = [];
  let restBytes = 0;
  const take = (block: Buffer): Line[] => {
    const { lines, count } = splitLines(block, place);
    place.offset += block.length;
    place.number += count;
    return lines;
  };
  for await (const chunk of untilAborted(stream, signal)) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    const end = bytes.lastIndexOf(10) + 1;
    if (end > 0) {
      yield take(Buffer.concat([...rest, bytes.subarray(0, end)]));
      rest = [];
      restBytes = 0;
    }
    if (end < bytes.length) rest.push(bytes.subarray(end));
    restBytes += bytes.length - end;
    if (restBytes > MAX_LINE_BYTES) throw endlessLine(at(place.name, place.number));
  }
  if (restBytes > 0) yield take(Buffer.concat(rest));
}

/** Somebody may never send another byte; an interrupt has to end the waiting for it. */
async function* untilAborted(stream: Readable, signal: AbortSignal): AsyncGenerator<Buffer | string> {
  try {
    for await (const chunk of addAbortSignal(signal, stream)) yield chunk as Buffer | string;
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
}
