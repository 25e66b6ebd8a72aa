import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { runRanks, type RankOptions } from '../../test/support/ranks.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { createLoss } from '../../src/loss/create-loss.js';
import { rankEnvironment } from '../../src/ranks/environment.js';
import { RankGroup } from '../../src/ranks/rank-group.js';
import { Trainer } from '../../src/train/trainer.js';
import { numberOf, runScript } from '../lib/command.js';
import { SetupError } from '../lib/say.mjs';
import { TwoHosts } from '../lib/two-hosts.js';
import { median } from './host.js';
import { randomModel } from './models.js';
import { trainingSamples } from './row.js';

const USAGE = `usage: npm run bench -- ranks [--ranks 2] [--docs 8] [--repeats 5] [--gbit G]

What ranks cost: sums of arrays over ranks of this host, up to the gradients of ELECTRA-base, beside the lower bound of an
all-reduce, 2 (N - 1) / N x bytes over the bandwidth of one connection; steps of ELECTRA-base (one query with --docs documents
on each rank, one thread each) without sums, with sums after the backward, and with sums that overlap with it, in turn; and
what a model that is fitted to these sums says of 8 GPUs on each of 16 hosts.

--gbit G runs two ranks in network namespaces whose link carries G Gbit/s, instead of through loopback. Needs root.`;

/** Numbers of the arrays that are summed; the last stands for the gradients. */
const SIZES = [2 ** 10, 2 ** 14, 2 ** 18, 2 ** 22];
/** Of the ranks that the model speaks of, and bandwidths of their hosts' links in Gbit/s. */
const HOSTS = 16;
const GPUS = 8;
const LINKS = [10, 25, 100, 400];

/** Medians in seconds. */
interface Sums {
  numbers: number;
  seconds: number;
}

interface Steps {
  alone: number;
  after: number;
  overlapping: number;
}

interface Measured {
  /** Bytes a second of one connection. */
  rate: number;
  sums: Sums[];
  steps: Steps;
}

/** Bytes a second of one TCP connection from rank 1 to rank 0, the most of `repeats`; the others wait. */
async function bandwidth(group: RankGroup, bytes: number, repeats: number): Promise<number> {
  let most = 0;
  for (let i = 0; i < repeats; i++) {
    const server = createServer((socket) => socket.resume().on('end', () => socket.end()));
    if (group.rank === 0) await once(server.listen(0), 'listening');
    const { port } = (await group.fromFirst(server.address())) as AddressInfo;
    if (group.rank === 1) most = Math.max(most, bytes / (await timed(() => sendTo(port, bytes))));
    await group.barrier();
    server.close();
  }
  return Math.max(...(await group.gather(most)));
}

async function sendTo(port: number, bytes: number): Promise<void> {
  const part = Buffer.alloc(1 << 22);
  const socket = connect(port, process.env['MASTER_ADDR']);
  await once(socket, 'connect');
  for (let sent = 0; sent < bytes; sent += part.length) {
    if (!socket.write(part)) await once(socket, 'drain');
  }
  socket.end().resume();
  await once(socket, 'close');
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function measureSums(group: RankGroup, sizes: readonly number[], repeats: number): Promise<Sums[]> {
  const result: Sums[] = [];
  for (const numbers of sizes) {
    const values = new Float32Array(numbers);
    const seconds: number[] = [];
    for (let i = 0; i <= repeats; i++) {
      await group.barrier();
      seconds.push(await timed(() => group.sum(values)));
    }
    result.push({ numbers, seconds: median(seconds.slice(1)) }); // the first touches the memory
  }
  return result;
}

/** Steps of the three kinds in turn, since other work on the machine comes and goes. */
async function measureSteps(group: RankGroup, model: TrainableModel, docs: number, repeats: number): Promise<Steps> {
  const samples = await trainingSamples(1, docs);
  const options = { losses: [createLoss('RankNet')], optimizer: { lr: 1e-6 } };
  const trainer = new Trainer(model, { ...options, group });
  const lone = new Trainer(model, options);
  const batch = await trainer.encode(samples);
  const whole = { size: group.ranks, positions: [group.rank] };
  const kinds = {
    alone: () => lone.backward(batch).then(() => lone.update()),
    after: () => trainer.backward({ ...batch, whole }).then(() => trainer.update()),
    overlapping: () => trainer.backward({ ...batch, whole }, 1, true).then(() => trainer.update()),
  };
  const seconds = { alone: [] as number[], after: [] as number[], overlapping: [] as number[] };
  for (let i = 0; i <= repeats; i++) {
    for (const kind of ['alone', 'after', 'overlapping'] as const) {
      await group.barrier();
      seconds[kind].push(await timed(kinds[kind]));
    }
  }
  const of = (kind: keyof Steps): number => median(seconds[kind].slice(1));
  return { alone: of('alone'), after: of('after'), overlapping: of('overlapping') };
}

/** One of the ranks; rank 0 prints what it measured as JSON. */
async function measureAsRank(docs: number, repeats: number): Promise<void> {
  await using group = await RankGroup.join(rankEnvironment(process.env)!);
  await using model = await TrainableModel.load(await randomModel('electra-base'), { threads: 1, device: 'cpu' });
  const sums = await measureSums(group, [...SIZES, model.native.size], repeats);
  const rate = await bandwidth(group, 4 * model.native.size, repeats);
  const steps = await measureSteps(group, model, docs, repeats);
  if (group.rank === 0) console.log(JSON.stringify({ rate, sums, steps } satisfies Measured));
}

/** Seconds of a message and bytes a second of a ring, by least squares of relative errors. */
function fitted(sums: readonly Sums[], ranks: number): { message: number; rate: number } {
  // seconds = 2 (N - 1) message + 2 (N - 1) / N x bytes / rate; each equation divided by its seconds
  const rows = sums.map(({ numbers, seconds }) => {
    const rounds = 2 * (ranks - 1);
    return [rounds / seconds, (rounds * numbers * 4) / ranks / seconds] as const;
  });
  const sum = (of: (row: readonly [number, number]) => number): number =>
    rows.reduce((total, row) => total + of(row), 0);
  const [aa, ab, bb] = [sum(([a]) => a * a), sum(([a, b]) => a * b), sum(([, b]) => b * b)];
  const [a1, b1] = [sum(([a]) => a), sum(([, b]) => b)];
  const determinant = aa * bb - ab * ab;
  return { message: (a1 * bb - b1 * ab) / determinant, rate: determinant / (aa * b1 - ab * a1) };
}

async function measure(ranks: number, docs: number, repeats: number, gbit: number | undefined): Promise<void> {
  using hosts = gbit === undefined ? undefined : new TwoHosts();
  if (hosts && gbit !== undefined) hosts.limit(gbit * 1e9);
  await randomModel('electra-base'); // once, not by each rank
  const own = [process.execPath, ...process.execArgv];
  const apart: RankOptions | undefined = hosts && {
    command: (rank) => hosts.command(rank, own),
    variables: (...of) => hosts.variables(...of),
  };
  const program = [fileURLToPath(new URL('./run.ts', import.meta.url)), 'ranks', '--docs', `${docs}`];
  const ended = await runRanks(ranks, [...program, '--repeats', `${repeats}`], apart ?? { command: own });
  for (const { code, stderr } of ended) if (code !== 0) throw new SetupError(`a rank ended with ${code}: ${stderr}`);
  const { rate, sums, steps } = JSON.parse(ended[0]!.stdout) as Measured;

  const { numbers, seconds } = sums.at(-1)!;
  const bytes = numbers * 4;
  const sent = (2 * (ranks - 1) * bytes) / ranks;
  const bound = sent / rate;
  const mb = (of: number): string => (of / 1e6).toFixed(of < 1e6 ? 3 : 0);
  for (const each of sums) console.log(`${ranks} ranks sum ${mb(each.numbers * 4)} MB in ${each.seconds.toFixed(4)} s`);
  console.log(
    `ELECTRA-base's gradients: each rank sends ${mb(sent)} MB; the bound is ${bound.toFixed(3)} s at ` +
      `${(rate / 1e9).toFixed(2)} GB/s, ${(bound / seconds).toFixed(2)} of the time taken`,
  );
  const cost = steps.after - steps.alone;
  console.log(
    `a step of ${docs} documents a rank: ${steps.alone.toFixed(3)} s without sums, ${steps.after.toFixed(3)} s with sums ` +
      `after the backward, ${steps.overlapping.toFixed(3)} s with sums that overlap with it: ` +
      `${((100 * (steps.after - steps.overlapping)) / cost).toFixed(0)} % of ${cost.toFixed(3)} s hidden`,
  );
  const { message, rate: ring } = fitted(sums, ranks);
  console.log(
    `fitted: ${(message * 1e6).toFixed(0)} us a message and ${(ring / 1e9).toFixed(2)} GB/s in a ring. By this model, not by ` +
      `measurement, ${GPUS * HOSTS} ranks (${GPUS} GPUs on each of ${HOSTS} hosts) sum the same gradients in`,
  );
  const all = GPUS * HOSTS;
  for (const link of LINKS) {
    // one connection of the ring leaves each host
    const time = 2 * (all - 1) * message + (2 * (all - 1) * bytes) / all / ((link * 1e9) / 8);
    console.log(`  ${time.toFixed(3)} s where hosts have ${link} Gbit/s`);
  }
}

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    { ranks: option, docs: option, repeats: option, gbit: option },
    async (values) => {
      const docs = numberOf('docs', values.docs) ?? 8;
      const repeats = numberOf('repeats', values.repeats) ?? 5;
      const gbit = numberOf('gbit', values.gbit);
      const ranks = numberOf('ranks', values.ranks) ?? 2;
      if (gbit !== undefined && ranks !== 2) throw new SetupError('--gbit: there are two hosts, with a rank each');
      if (rankEnvironment(process.env)) await measureAsRank(docs, repeats);
      else await measure(ranks, docs, repeats, gbit);
    },
    args,
  );
