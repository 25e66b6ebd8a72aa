// What clients do to a server by mistake or on purpose. Loopback only, and every loop is bounded.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { RandomStream } from '../../src/random/random-stream.js';
import { Broken } from './kind.js';
import { mutateBytes, mutateJson, oddText, pick } from './mutate.js';

/** Limits of the server under attack, small enough to be passed. */
export const LIMITS = { maxBodyBytes: 100_000, maxDocuments: 500, maxWaiting: 64, requestTimeout: 20 } as const;

const PATHS = ['/v1/rerank', '/v2/rerank', '/voyage/v1/rerank', '/rerank', '/score'];
const METHODS = ['POST', 'POST', 'POST', 'GET', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH'];
/** Answers that tell a client what it did wrong, that there is too much to do, or that its time is up. */
const REFUSALS = new Set([400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417, 422, 429, 431, 504]);
/** Sockets that never say enough are kept, so that the server has to live with them; the oldest is dropped. */
const MOST_LINGERING = 200;
const ANSWER_MS = 500;

const lingering: Socket[] = [];

function linger(socket: Socket): void {
  lingering.push(socket);
  if (lingering.length > MOST_LINGERING) lingering.shift()!.destroy();
}

/** Of good requests. */
let agent = new Agent();

/** Closes all connections. */
export async function dropConnections(): Promise<void> {
  for (const socket of lingering.splice(0)) socket.destroy();
  const used = agent;
  agent = new Agent();
  await used.close();
}

/** A request's bytes. `length`: what its head says. */
function bytesOf(path: string, body: string | Buffer, { method = 'POST', length = -1, head = '' } = {}): Buffer {
  const bytes = Buffer.from(body);
  const size = length < 0 ? bytes.length : length;
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json'];
  const first = `${[...lines, `Content-Length: ${size}`].join('\r\n')}\r\n${head}\r\n`;
  return Buffer.concat([Buffer.from(first), bytes]);
}

function requestBody(random: RandomStream): object {
  const documents = Array.from({ length: 1 + random.below(5) }, () => oddText(random));
  const query = oddText(random);
  const options = { top_n: random.below(4), return_documents: true, truncate: true, raw_scores: random.below(2) === 0 };
  return pick<object>(random, [
    { query, documents, ...options },
    { query, texts: documents, ...options },
    { pairs: documents.map((document) => ({ query, document })), ...options },
    { query, documents: documents.map((text) => ({ text, title: query })), rank_fields: ['title', 'text'] },
    { query, documents, max_chunks_per_doc: 1 + random.below(9), overlap_tokens: random.below(20) },
    { text_1: query, text_2: documents },
  ]);
}

/** Work for some milliseconds. */
function longBody(random: RandomStream): string {
  const documents = Array.from(
    { length: 50 + random.below(350) },
    (_, i) => `${i} ${'word '.repeat(random.below(40))}`,
  );
  return JSON.stringify({ query: 'a query', documents });
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });
}

/**
 * Sends bytes and waits for the answers' heads.
 *
 * @returns the statuses; none where the server waits for more, or has closed the connection
 */
async function statusesOf(port: number, bytes: Buffer, answers = 1): Promise<number[]> {
  const socket = await open(port);
  socket.on('error', () => undefined);
  socket.write(bytes);
  let text = '';
  const statuses = (): number[] => [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ANSWER_MS);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (statuses().length >= answers) end();
    });
    socket.once('close', end);
  });
  if (statuses().length === 0 && !socket.destroyed) linger(socket);
  else socket.destroy();
  return statuses();
}

type Hostile = (port: number, random: RandomStream) => Promise<number[]>;

const HOSTILE: Readonly<Record<string, Hostile>> = {
  'odd texts': (port, random) => statusesOf(port, bytesOf(pick(random, PATHS), JSON.stringify(requestBody(random)))),
  'changed JSON': (port, random) =>
    statusesOf(port, bytesOf(pick(random, PATHS), mutateJson(random, requestBody(random)))),
  'damaged JSON': (port, random) =>
    statusesOf(
      port,
      bytesOf(pick(random, PATHS), mutateBytes(random, Buffer.from(JSON.stringify(requestBody(random))))),
    ),
  'damaged HTTP': (port, random) =>
    statusesOf(port, mutateBytes(random, bytesOf(pick(random, PATHS), JSON.stringify(requestBody(random))))),
  'another method': (port, random) =>
    statusesOf(port, bytesOf(pick(random, PATHS), '{}', { method: pick(random, METHODS) })),
  'deep JSON': (port, random) =>
    statusesOf(port, bytesOf(pick(random, PATHS), pick(random, ['[', '{"a":']).repeat(9000))),
  'too large': (port, random) => {
    const body = JSON.stringify({ query: 'a', documents: ['x'.repeat(LIMITS.maxBodyBytes)] });
    const chunked = `POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
    return statusesOf(
      port,
      pick(random, [
        bytesOf('/v1/rerank', body),
        bytesOf('/v1/rerank', '{', { length: pick(random, [1e6, 1e12, Number.MAX_SAFE_INTEGER]) }),
        Buffer.from(`${chunked}${body.length.toString(16)}\r\n${body}\r\n`),
        bytesOf('/v1/rerank', JSON.stringify({ query: 'a', documents: Array(LIMITS.maxDocuments + 1).fill('b') })),
      ]),
    );
  },
  'large head': (port, random) =>
    statusesOf(port, bytesOf('/v1/rerank', '{}', { head: `X: ${'y'.repeat(20_000)}\r\n`.repeat(1 + random.below(3)) })),
  'two lengths': (port, random) =>
    statusesOf(
      port,
      bytesOf('/v1/rerank', '{}', { head: pick(random, ['Content-Length: 9', 'Transfer-Encoding: chunked']) + '\r\n' }),
    ),
  'packed body': (port) => statusesOf(port, bytesOf('/v1/rerank', '\x1f\x8b', { head: 'Content-Encoding: gzip\r\n' })),
  'requests behind each other': (port) => {
    const one = bytesOf('/v1/rerank', '{"query": "a", "documents": ["b"]}');
    return statusesOf(port, Buffer.concat([one, one, one]), 3);
  },
  'slow head': async (port, random) => {
    const socket = await open(port);
    socket.on('error', () => undefined);
    const bytes = bytesOf('/v1/rerank', '{}');
    socket.write(bytes.subarray(0, 1 + random.below(bytes.indexOf('\r\n\r\n'))));
    linger(socket);
    return [];
  },
  'half a body': async (port, random) => {
    const socket = await open(port);
    socket.on('error', () => undefined);
    const bytes = bytesOf('/v1/rerank', longBody(random));
    socket.write(bytes.subarray(0, bytes.length - 1 - random.below(300)));
    if (random.below(2) === 0) linger(socket);
    else socket.destroy();
    return [];
  },
  'a client that leaves': async (port, random) => {
    const socket = await open(port);
    socket.on('error', () => undefined);
    socket.write(bytesOf('/v1/rerank', longBody(random)));
    await sleep(random.below(60));
    if (random.below(2) === 0) socket.resetAndDestroy();
    else socket.destroy();
    return [];
  },
  'a client that does not read': async (port, random) => {
    const socket = await open(port);
    socket.on('error', () => undefined);
    socket.pause();
    for (let i = 0; i < 5; i++) socket.write(bytesOf('/v1/rerank', longBody(random)));
    linger(socket);
    return [];
  },
  'little time': (port, random) =>
    statusesOf(
      port,
      bytesOf('/v1/rerank', longBody(random), { head: `X-Request-Timeout: ${0.001 * (1 + random.below(50))}\r\n` }),
    ),
};

/**
 * Does one hostile thing to the server on a port of loopback.
 *
 * @returns the status of a refusal; undefined where it answered, or had nothing to answer
 * @throws Broken where the server says that it failed
 */
export async function attackServer(port: number, random: RandomStream): Promise<number | undefined> {
  const [name, hostile] = pick(random, Object.entries(HOSTILE));
  const statuses = await hostile(port, random);
  for (const status of statuses) {
    if (!(status >= 100 && status < 300) && !REFUSALS.has(status)) throw new Broken(`${name}: status ${status}`);
  }
  return statuses.find((status) => REFUSALS.has(status));
}

/** A request that the server must answer, with its answer while nothing else went on. */
export class GoodRequest {
  readonly #body: string;
  readonly #expected: string;

  private constructor(body: string, expected: string) {
    this.#body = body;
    this.#expected = expected;
  }

  static async ask(url: string, body: object): Promise<GoodRequest> {
    const text = JSON.stringify(body);
    return new GoodRequest(text, await answerOf(url, text));
  }

  /** @throws Broken for another answer; the connection's error where there is none */
  async check(url: string): Promise<void> {
    const found = await answerOf(url, this.#body);
    if (found !== this.#expected) throw new Broken(`another answer than alone: ${found}`);
  }
}

/** TEI's answer, which has no id or time. */
async function answerOf(url: string, body: string): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const answer = await request(`${url}/rerank`, { method: 'POST', headers, body, dispatcher: agent });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) throw new Broken(`status ${answer.statusCode}: ${text}`);
  return text;
}
