// The clients of `npm run soak:serve`, in a process of their own. Argument: the server's URL, on loopback.
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { expectedPairs } from '../../test/support/models.js';
import { RandomStream } from '../../src/random/random-stream.js';
import { attackServer, dropConnections, GoodRequest, LIMITS } from './hostile-requests.js';

export interface Load {
  requests: number;
  /** Connections that say nothing. */
  crowd: number;
  seed: number;
  epoch: number;
}

export interface Answered {
  /** What was not as promised. */
  failure?: string;
}

const LANES = 16;
/** Requests for one hostile one. */
const PER_ATTACK = 10;
/** As many texts fill the server's caches of texts, which are bounded but would else grow until the end. */
const TEXTS = 40_000;
/** Connections that are opened at a time. */
const TOGETHER = 200;
const MOST_DOCUMENTS = 20;
const WAIT_MS = 20;
const MOST_WAITS = 500;

const url = process.argv[2]!;
const port = Number(new URL(url).port);

/** Requests of many sizes with their answers. */
async function goodRequests(): Promise<GoodRequest[]> {
  const golden = await expectedPairs();
  const requests: GoodRequest[] = [];
  for (let count = 1; count <= MOST_DOCUMENTS; count++) {
    const texts = Array.from({ length: count }, (_, i) => golden[i % golden.length]!.document.repeat(1 + (i % 3)));
    requests.push(await GoodRequest.ask(url, { query: golden[count % golden.length]!.query, texts, truncate: true }));
  }
  return requests;
}

/** Pairs of texts that differ, as long as those of hostile requests. */
async function fillCaches(): Promise<void> {
  for (let first = 0; first < TEXTS; first += LIMITS.maxDocuments) {
    const pairs = Array.from({ length: LIMITS.maxDocuments }, (_, i) => {
      const number = first + i;
      return { query: `query ${number}`, document: `${number} ${'word '.repeat(number % 40)}` };
    });
    const body = JSON.stringify({ pairs });
    const headers = { 'content-type': 'application/json' };
    const { statusCode, text } = await ask('/score', { method: 'POST', headers, body });
    if (statusCode !== 200) throw new Error(`status ${statusCode}: ${text}`);
  }
}

async function openCrowd(count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(TOGETHER, count - sockets.length) }, () => connect(port, '127.0.0.1'));
    await Promise.all(some.map((socket) => once(socket, 'connect')));
    for (const socket of some) socket.on('error', () => undefined);
    sockets.push(...some);
  }
  return sockets;
}

async function run(good: readonly GoodRequest[], { requests, crowd, seed, epoch }: Load): Promise<void> {
  const sockets = await openCrowd(crowd);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < requests) {
      const number = next++;
      const random = new RandomStream({ seed, purpose: 'server soak', epoch, item: String(number) });
      if (number % PER_ATTACK === 0) await attackServer(port, random);
      await good[random.below(good.length)]!.check(url);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  for (const socket of sockets) socket.destroy();
  await settled();
  await dropConnections();
}

/** Waits until the server has given up what its clients have left. */
async function settled(): Promise<void> {
  for (let i = 0; i < MOST_WAITS; i++) {
    if (/^rank_distillm_requests_in_work 0$/m.test((await ask('/metrics')).text)) return;
    await sleep(WAIT_MS);
  }
  throw new Error('requests that were left stay in work');
}

/** A request on a connection that does not stay: what the server holds is looked at afterwards. */
async function ask(path: string, options: Parameters<typeof request>[1] = {}) {
  const dispatcher = new Agent();
  try {
    const { statusCode, body } = await request(`${url}${path}`, { ...options, dispatcher });
    return { statusCode, text: await body.text() };
  } finally {
    await dispatcher.close();
  }
}

const good = await goodRequests();
await fillCaches();
process.on('message', (load: Load) => {
  run(good, load).then(
    () => process.send!({} satisfies Answered),
    (error: Error) => process.send!({ failure: String(error.stack) } satisfies Answered),
  );
});
