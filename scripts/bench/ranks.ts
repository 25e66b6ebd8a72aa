import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { rankEnvironment } from '../../src/ranks/environment.js';
import { RankGroup } from '../../src/ranks/rank-group.js';
import { numberOf, runScript } from '../lib/command.js';

/** Numbers of ELECTRA-base with its head. */
const ELECTRA_BASE = 108_892_417;
const USAGE = `usage: npm run bench -- ranks [--ranks 2] [--numbers ${ELECTRA_BASE}] [--repeats 5]

Sums an array over ranks of this host through loopback, by default the gradients of ELECTRA-base, and compares the median
time with the lower bound of an all-reduce, 2 (N - 1) / N x bytes over the bandwidth of one connection through loopback.`;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Bytes a second of one TCP connection through loopback, between two threads of work in this process. */
async function bandwidth(bytes: number): Promise<number> {
  const part = Buffer.alloc(1 << 20);
  const server = createServer((socket) => {
    socket.resume();
    socket.on('end', () => socket.end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  const start = performance.now();
  for (let sent = 0; sent < bytes; sent += part.length) {
    if (!socket.write(part)) await once(socket, 'drain');
  }
  socket.end();
  socket.resume();
  await once(socket, 'close');
  const seconds = (performance.now() - start) / 1000;
  server.close();
  return bytes / seconds;
}

/** One of the ranks; rank 0 prints the seconds of each all-reduce as JSON. */
async function sumAsRank(numbers: number, repeats: number): Promise<void> {
  await using group = await RankGroup.join(rankEnvironment(process.env)!);
  const values = new Float32Array(numbers).fill(1);
  const seconds: number[] = [];
  for (let i = 0; i <= repeats; i++) {
    await group.barrier();
    const start = performance.now();
    await group.sum(values);
    seconds.push((performance.now() - start) / 1000);
  }
  if (values[0] !== group.ranks ** (repeats + 1)) throw new Error(`the sum is ${values[0]}`);
  if (group.rank === 0) console.log(JSON.stringify(seconds.slice(1))); // the first touches the memory
}

async function measure(ranks: number, numbers: number, repeats: number): Promise<void> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  const children = Array.from({ length: ranks }, (_, rank) =>
    spawn(
      process.execPath,
      [
        ...process.execArgv,
        fileURLToPath(new URL('./run.ts', import.meta.url)),
        'ranks',
        '--numbers',
        String(numbers),
        '--repeats',
        String(repeats),
      ],
      {
        env: {
          ...process.env,
          RANK: String(rank),
          WORLD_SIZE: String(ranks),
          LOCAL_RANK: String(rank),
          LOCAL_WORLD_SIZE: String(ranks),
          MASTER_ADDR: '127.0.0.1',
          MASTER_PORT: String(port),
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    ),
  );
  let text = '';
  children[0]!.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const codes = await Promise.all(children.map(async (child) => ((await once(child, 'close')) as [number])[0]));
  if (codes.some((code) => code !== 0)) throw new Error(`ranks ended with ${codes.join(', ')}`);
  const seconds = median(JSON.parse(text) as number[]);
  const bytes = numbers * 4;
  const rate = await bandwidth(Math.max(bytes, 1 << 28));
  const sent = (2 * (ranks - 1) * bytes) / ranks;
  const bound = sent / rate;
  console.log(
    `${ranks} ranks, ${(bytes / 1e6).toFixed(0)} MB of gradients: ${seconds.toFixed(3)} s, median of ${repeats}; ` +
      `each rank sends ${(sent / 1e6).toFixed(0)} MB, which takes ${bound.toFixed(3)} s at ${(rate / 1e9).toFixed(2)} GB/s ` +
      `of one connection: ${(bound / seconds).toFixed(2)} of the bound`,
  );
}

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    { ranks: option, numbers: option, repeats: option },
    async (values) => {
      const numbers = numberOf('numbers', values.numbers) ?? ELECTRA_BASE;
      const repeats = numberOf('repeats', values.repeats) ?? 5;
      if (rankEnvironment(process.env)) await sumAsRank(numbers, repeats);
      else await measure(numberOf('ranks', values.ranks) ?? 2, numbers, repeats);
    },
    args,
  );
