import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Pool } from 'undici';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { formatTable } from '../../src/report/table.js';
import { numberOf, runScript } from '../lib/command.js';
import { root } from '../lib/root.mjs';
import { SetupError } from '../lib/say.mjs';
import { ServerProcess } from '../lib/server-process.js';
import { machineLine, median } from './host.js';
import { MODEL_NAMES, randomModel, wholeWords, type RandomModelName } from './models.js';
import { PeerServer } from './peers/server.js';

/** Node.js compiles for about as long. */
const WARM_REQUESTS = 3000;
const WARM_SECONDS = 20;
/** Requests of a call of the engine alone that gives its best rate. */
const TOGETHER = 64;

const USAGE = `usage: npm run bench -- serve [--model FOLDER] [--precision 32-true] [--clients 1,8,64] [--documents 10] [--tokens 100]
                              [--seconds 5] [--rounds 3] [--peer PYTHON]
                              [--package FOLDER]

Requests per second and their times, each a query with 10 documents of 100 tokens, to a server in a process of its own; the engine's
own rate in a process without a server; and the share of it that arrives at the clients. MiniLM-L6 by default; "tiny" names a
model that costs next to nothing, so what is left is the server.

The engine, our server, node:http around the engine and the peer are measured in turn, in as many rounds, after ${WARM_REQUESTS} requests or
${WARM_SECONDS} s; medians. Requests are made before they are measured. node:http around the engine reads a request, ranks and answers, without
checks, limits, log or metrics: the most that a server in Node.js can have.
"share" is of the engine that gets ${TOGETHER} requests at a time, "of as many" of the engine that gets as many as there are clients: one
request alone leaves threads idle, with a server or without. Both by the clock, where the clients share the cores with the server,
and by CPU: the CPU seconds of a request in the engine alone over those in the server.
--peer names a Python with infinity-emb (pip install infinity-emb[server,torch]), which serves the same model of random weights.
--package measures another checkout's or an installed package's server beside ours.`;

interface Rate {
  /** Requests per second. */
  rate: number;
  p50: number;
  p99: number;
  /** CPU milliseconds per request of the process that scores, and of the clients. */
  cpu: number;
  clientCpu: number;
}

interface Workload {
  clients: readonly number[];
  documents: number;
  tokens: number;
  seconds: number;
}

interface Request {
  query: string;
  documents: string[];
}

const ALONE = 'the engine alone';
const MAIN = 'dist/cli/main.js';
const LOADER = new URL('../lib/load-typescript.mjs', import.meta.url).href;
const BARE = new URL('bare-server.ts', import.meta.url).pathname;
const QUERY_TOKENS = 8;
/** [CLS] and two [SEP]. */
const SPECIAL_TOKENS = 3;

/** Requests that differ, so that no cache of the tokenizer or of equal pairs answers for the engine. */
class Requests {
  readonly #words: readonly string[];
  readonly #workload: Workload;
  #made: Request[] = [];
  #at = 1;

  constructor(words: readonly string[], workload: Workload) {
    this.#words = words;
    this.#workload = workload;
  }

  /** Makes as many as a measurement will take. */
  prepare(count: number): void {
    while (this.#made.length < count) this.#made.push(this.#make());
  }

  next(): Request {
    return this.#made.pop() ?? this.#make();
  }

  #make(): Request {
    const { documents, tokens } = this.#workload;
    const text = (length: number): string => Array.from({ length }, () => this.#word()).join(' ');
    return {
      query: text(QUERY_TOKENS),
      documents: Array.from({ length: documents }, () => text(tokens - QUERY_TOKENS - SPECIAL_TOKENS)),
    };
  }

  #word(): string {
    this.#at = (this.#at * 48_271) % 2_147_483_647;
    return this.#words[this.#at % this.#words.length]!;
  }
}

interface Model {
  /** With a head, which a server needs. */
  folder: string;
  /** What a peer gives a head of its own. */
  backbone: string;
}

/** A bench's model by its name, or a folder. */
async function modelOf(name: string): Promise<Model> {
  if (name !== 'tiny' && !MODEL_NAMES.includes(name as RandomModelName)) return { folder: name, backbone: name };
  const backbone = await randomModel(name as RandomModelName | 'tiny');
  const folder = `${backbone}-with-head`;
  if (!existsSync(folder)) {
    await using model = await TrainableModel.load(backbone, { onWarning: () => undefined });
    await model.save(folder);
  }
  return { folder, backbone };
}

/** CPU seconds of a process with all its threads and with the children that it has waited for. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
}

/** What the clients call: a path, and the body of a request. */
interface Endpoint {
  url: string;
  pid: number;
  path: string;
  bodyOf: (request: Request) => object;
}

const ours = ({ url, child }: ServerProcess): Endpoint => ({
  url,
  pid: child.pid!,
  path: '/v2/rerank',
  bodyOf: (request) => request,
});

/** @param most requests, where they are fewer than `seconds` take */
async function load(
  endpoint: Endpoint,
  clients: number,
  seconds: number,
  requests: Requests,
  most = Infinity,
): Promise<Rate> {
  const pool = new Pool(endpoint.url, { connections: clients, pipelining: 1, headersTimeout: 0 });
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  let sent = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < end && sent < most) {
      sent += 1;
      const start = performance.now();
      const { statusCode, body } = await pool.request({
        method: 'POST',
        path: endpoint.path,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(endpoint.bodyOf(requests.next())),
      });
      const answer = await body.text();
      if (statusCode !== 200) throw new SetupError(`status ${statusCode}: ${answer}`);
      times.push(performance.now() - start);
    }
  };
  const start = performance.now();
  const [cpu, own] = [cpuSeconds(endpoint.pid), cpuSeconds(process.pid)];
  await Promise.all(Array.from({ length: clients }, client));
  const took = (performance.now() - start) / 1000;
  const perRequest = (pid: number, before: number): number => ((cpuSeconds(pid) - before) / times.length) * 1000;
  const costs = { cpu: perRequest(endpoint.pid, cpu), clientCpu: perRequest(process.pid, own) };
  await pool.close();
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(share * (times.length - 1))]!;
  return { rate: times.length / took, p50: at(0.5), p99: at(0.99), ...costs };
}

/**
 * Requests' worth of pairs a second, scored in this process without a server.
 *
 * @param together requests of a call
 */
async function engineRate(
  model: CrossEncoder,
  together: number,
  seconds: number,
  requests: Requests,
  most = Infinity,
): Promise<Rate> {
  let done = 0;
  const [start, cpu] = [performance.now(), cpuSeconds(process.pid)];
  while (performance.now() - start < seconds * 1000 && done < most) {
    const batch = Array.from({ length: together }, () => requests.next());
    await model.score(batch.flatMap(({ query, documents }) => documents.map((document) => ({ query, document }))));
    done += together;
  }
  const took = (performance.now() - start) / 1000;
  const none = { p50: Number.NaN, p99: Number.NaN, clientCpu: Number.NaN };
  return { ...none, rate: done / took, cpu: ((cpuSeconds(process.pid) - cpu) / done) * 1000 };
}

function medians(rounds: readonly Rate[]): Rate {
  const of = (key: keyof Rate): number => median(rounds.map((round) => round[key]));
  return { rate: of('rate'), p50: of('p50'), p99: of('p99'), cpu: of('cpu'), clientCpu: of('clientCpu') };
}

async function main(
  { folder, backbone }: Model,
  precision: string,
  workload: Workload,
  rounds: number,
  peer?: string,
  other?: string,
): Promise<void> {
  const requests = new Requests(await wholeWords(), workload);
  const args = ['--model', `bench=${folder}`, '--port', '0', '--precision', precision];
  await using model = await CrossEncoder.load(folder, { precision });
  await using server = await ServerProcess.start([process.execPath, join(root, MAIN)], args);
  await using second =
    other === undefined ? undefined : await ServerProcess.start([process.execPath, join(other, MAIN)], args);
  await using bare = await ServerProcess.of([process.execPath, '--import', LOADER, BARE, folder, precision]);
  await using python = peer === undefined ? undefined : await PeerServer.start(peer, backbone);
  const endpoints = new Map<string, Endpoint>([['rank-distillm serve', ours(server)]]);
  endpoints.set('node:http around the engine', ours(bare));
  if (second) endpoints.set(other!, ours(second));
  if (python) endpoints.set(python.name, python);
  /** [requests at a time][contender] */
  const found = new Map<number, Map<string, Rate[]>>();
  const keep = (atATime: number, name: string, rate: Rate): void => {
    const own = found.get(atATime) ?? new Map<string, Rate[]>();
    found.set(atATime, own.set(name, [...(own.get(name) ?? []), rate]));
  };
  const engineOf = (atATime: number): Rate => medians(found.get(atATime)!.get(ALONE)!);

  // what is compiled on the way would count as a request's
  const { rate } = await engineRate(model, TOGETHER, WARM_SECONDS, requests, WARM_REQUESTS);
  for (const endpoint of endpoints.values()) await load(endpoint, 16, WARM_SECONDS, requests, WARM_REQUESTS);
  const prepared = Math.ceil(rate * workload.seconds) + TOGETHER;
  for (let round = 0; round < rounds; round++) {
    for (const clients of workload.clients) {
      for (const together of new Set([TOGETHER, clients])) {
        requests.prepare(prepared);
        keep(together, ALONE, await engineRate(model, together, workload.seconds, requests));
      }
      for (const [name, endpoint] of endpoints) {
        requests.prepare(prepared);
        keep(clients, name, await load(endpoint, clients, workload.seconds, requests));
      }
    }
  }
  const best = engineOf(TOGETHER);
  const columns = [
    '',
    'requests/s',
    'p50, ms',
    'p99, ms',
    'share',
    'of as many',
    'CPU ms',
    'share of CPU',
    'of as many',
    'client CPU ms',
  ];
  const shown = (value: number, digits: number): string => (Number.isNaN(value) ? '' : value.toFixed(digits));
  const rows = [...found].flatMap(([atATime, contenders]) => {
    const asMany = engineOf(atATime);
    return [...contenders].map(([name, own]) => {
      const { rate, p50, p99, cpu, clientCpu } = medians(own);
      const byClock = [shown(rate / best.rate, 2), shown(rate / asMany.rate, 2)];
      const byCpu = [shown(cpu, 2), shown(best.cpu / cpu, 2), shown(asMany.cpu / cpu, 2)];
      const label = `${name}, ${atATime}`;
      return [label, shown(rate, 1), shown(p50, 1), shown(p99, 1), ...byClock, ...byCpu, shown(clientCpu, 2)];
    });
  });
  console.log(machineLine('cpu'));
  console.log(
    `${workload.documents} documents of ${workload.tokens} tokens, ${model.precision}, medians of ${rounds} rounds`,
  );
  console.log(
    formatTable(
      columns.map((head) => ({ head })),
      rows,
    ),
  );
}

const option = { type: 'string' } as const;
const options = { model: option, precision: option, clients: option, documents: option, tokens: option };

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    { ...options, seconds: option, rounds: option, peer: option, package: option },
    async (values) => {
      const whole = 'a whole number above 0';
      await main(
        await modelOf(values.model ?? 'minilm-l6'),
        values.precision ?? '32-true',
        {
          clients: (values.clients ?? '1,8,64').split(',').map((text) => numberOf('clients', text, whole)),
          documents: numberOf('documents', values.documents, whole) ?? 10,
          tokens: numberOf('tokens', values.tokens, whole) ?? 100,
          seconds: numberOf('seconds', values.seconds) ?? 5,
        },
        numberOf('rounds', values.rounds, whole) ?? 3,
        values.peer,
        values.package && resolve(values.package),
      );
    },
    args,
  );
