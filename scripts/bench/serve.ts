import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';
import { existsSync } from 'node:fs';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { numberOf, runScript } from '../lib/command.js';
import { randomModel, wholeWords } from './models.js';

const USAGE = `usage: npm run bench -- serve [--model FOLDER] [--precision 32-true] [--seconds 10]

Requests per second and their times at 1, 8 and 64 clients, each a query with 10 documents of 100 tokens, to a server in a
process of its own, and the share of the engine's own rate that arrives at the clients. MiniLM-L6 by default; "tiny"
names a model that costs next to nothing, so what is left is the server.`;

const CLIENTS = [1, 8, 64];
const DOCUMENTS = 10;
const TOKENS = 100;
const QUERY_TOKENS = 8;

/** Requests that differ, so that no cache of the tokenizer or of equal pairs answers for the engine. */
async function requestMaker(): Promise<() => { query: string; documents: string[] }> {
  const words = await wholeWords();
  let at = 0;
  const text = (tokens: number): string => {
    const picked = Array.from({ length: tokens }, () => words[(at = (at * 31 + 17) % 1_000_003) % words.length]!);
    at += 1;
    return picked.join(' ');
  };
  return () => ({
    query: text(QUERY_TOKENS),
    documents: Array.from({ length: DOCUMENTS }, () => text(TOKENS - QUERY_TOKENS - 3)),
  });
}

/** A server takes no model without a head: gives a bench's model one. */
async function withHead(folder: string): Promise<string> {
  const target = `${folder}-with-head`;
  if (!existsSync(target)) {
    await using model = await TrainableModel.load(folder, { onWarning: () => undefined });
    await model.save(target);
  }
  return target;
}

async function startServer(folder: string, precision: string) {
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  const args = [main, 'serve', '--model', `bench=${folder}`, '--port', '0', '--precision', precision, '--log', 'json'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe'] });
  for await (const line of createInterface({ input: child.stderr })) {
    if (!line.startsWith('{')) throw new Error(line);
    const { event, url } = JSON.parse(line) as { event: string; url: string };
    if (event === 'listening') {
      child.stderr.resume();
      return { child, url };
    }
  }
  throw new Error('the server ended');
}

async function load(url: string, clients: number, seconds: number, next: () => object) {
  const pool = new Pool(url, { connections: clients, pipelining: 1 });
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const start = performance.now();
      const { statusCode, body } = await pool.request({
        method: 'POST',
        path: '/v2/rerank',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(next()),
      });
      await body.json();
      if (statusCode !== 200) throw new Error(`status ${statusCode}`);
      times.push(performance.now() - start);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  const took = (performance.now() - start) / 1000;
  await pool.close();
  times.sort((a, b) => a - b);
  const at = (share: number): string => `${times[Math.floor(share * (times.length - 1))]!.toFixed(1)} ms`;
  return { rate: times.length / took, p50: at(0.5), p99: at(0.99) };
}

/** Requests' worth of pairs a second, scored in this process without a server. */
async function engineRate(
  folder: string,
  precision: string,
  seconds: number,
  next: () => ReturnType<Awaited<ReturnType<typeof requestMaker>>>,
) {
  await using model = await CrossEncoder.load(folder, { precision });
  const batch = () =>
    Array.from({ length: 64 }, next).flatMap(({ query, documents }) =>
      documents.map((document) => ({ query, document })),
    );
  await model.score(batch().slice(0, 20));
  const start = performance.now();
  let requests = 0;
  while (performance.now() - start < seconds * 1000) {
    await model.score(batch());
    requests += 64;
  }
  return (requests / (performance.now() - start)) * 1000;
}

async function main(folder: string, precision: string, seconds: number): Promise<void> {
  const next = await requestMaker();
  const before = await engineRate(folder, precision, seconds, next);
  const { child, url } = await startServer(folder, precision);
  try {
    await load(url, 4, 1, next);
    for (const clients of CLIENTS) {
      const { rate, p50, p99 } = await load(url, clients, seconds, next);
      const figures = `${rate.toFixed(1)} requests/s, p50 ${p50}, p99 ${p99}`;
      console.log(`${clients} clients: ${figures}, ${(rate / before).toFixed(2)} of the engine's rate`);
    }
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  const after = await engineRate(folder, precision, seconds, next);
  console.log(`the engine alone: ${before.toFixed(1)} requests/s before, ${after.toFixed(1)} after`);
}

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    { model: option, precision: option, seconds: option },
    async (values) =>
      main(
        values.model === undefined || values.model === 'tiny'
          ? await withHead(await randomModel(values.model ?? 'minilm-l6'))
          : values.model,
        values.precision ?? '32-true',
        numberOf('seconds', values.seconds) ?? 10,
      ),
    args,
  );
