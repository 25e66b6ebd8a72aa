import { ReadStream } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { at, RankDistillmError, throwIfAborted } from '../errors.js';
import { parseJsonObject } from '../io/text.js';
import { linesOf, readLines, type Line } from '../io/lines.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';

const STDIN = 'standard input';

const HINT = 'Write one JSON object a line: {"query": "…", "document": "…"}.';

/** Names a document may go by. */
const DOCUMENT_KEYS = ['document', 'doc', 'text'] as const;

/**
 * Pairs of a JSON Lines file as one group. Those of standard input, for `-`, are a group as long as more can be read at
 * once, so that a program which waits for the answer to its last line gets it.
 */
export async function* readPairGroups(
  path: string,
  stdin: Readable,
  signal: AbortSignal,
): AsyncGenerator<AsyncIterable<TextPair>> {
  if (path !== '-') return void (yield pairsOf(readLines(path), path));
  const blocks = linesOf(untilAborted(stdin, signal), STDIN);
  // a file is read by another thread: nothing tells whether more comes at once, and nobody waits
  if (stdin instanceof ReadStream) return void (yield pairsOf(blocks, STDIN));
  let next = blocks.next();
  async function* group(): AsyncGenerator<Line[]> {
    do {
      const read = await next;
      if (read.done === true) return;
      next = blocks.next();
      next.catch(() => undefined); // thrown where it is awaited
      yield read.value;
    } while (await comesAtOnce(next));
  }
  try {
    while (!(await next).done) yield pairsOf(group(), STDIN);
  } finally {
    stdin.destroy(); // an open one would keep the process waiting after an error
  }
}

async function* pairsOf(blocks: AsyncIterable<Line[]>, name: string): AsyncGenerator<TextPair> {
  for await (const lines of blocks) {
    for (const line of lines) yield parsePair(line, name);
  }
}

/** Whether a read ends within two turns of the event loop, each of which asks the system for input. */
async function comesAtOnce(read: Promise<unknown>): Promise<boolean> {
  const twoTurns = (async () => {
    await setImmediate();
    await setImmediate();
    return false;
  })();
  const comes = () => true;
  return Promise.race([read.then(comes, comes), twoTurns]);
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
