import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { createLoss } from '../../src/loss/create-loss.js';
import { formatTable } from '../../src/report/table.js';
import type { TextPair } from '../../src/tokenize/encoded-pair.js';
import { Trainer } from '../../src/train/trainer.js';
import { gemmPeak, machine, machineLine } from './gemm-peak.js';
import { benchPairs } from './pairs.js';
import { randomElectraBase } from './random-model.js';

const USAGE = `usage: npm run bench -- train [options]

Training pairs per second (RankNet, AdamW, dropout as configured) beside the matrix rate (GEMM) of the same run. The ratio
counts three times the forward's multiplications, whatever was computed besides.

  --model FOLDER       default: ELECTRA-base with random weights, made once
  --queries N          topics of a step, default 2
  --docs N             documents of each, default 16
  --steps N            steps that are timed, default 3
  --budget N           tokens held at a time; default: from free memory
  --precision NAME     default bf16-mixed (float32 where the CPU has no bf16)
  --threads N
  --peer PYTHON        a Python with lightning-ir: trains on the same pairs, in turn with ours
  --json               one object instead of a table`;

interface Row {
  trainer: string;
  precision: string;
  pairsPerSecond: number;
  tokensPerSecond: number | undefined;
  gflops: number | undefined;
  gemmPeakGflops: number | undefined;
  ratio: number | undefined;
  peakMemoryMiB: number;
}

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    model: { type: 'string' },
    queries: { type: 'string', default: '2' },
    docs: { type: 'string', default: '16' },
    steps: { type: 'string', default: '3' },
    budget: { type: 'string' },
    precision: { type: 'string', default: 'bf16-mixed' },
    threads: { type: 'string' },
    peer: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});

const queries = Number(values.queries);
const docs = Number(values.docs);
const steps = Number(values.steps);

/** The documents of each topic, with targets by rank. */
function samplesOf(pairs: readonly TextPair[]) {
  return Array.from({ length: queries }, (_, q) => {
    const own = pairs.slice(q * docs, (q + 1) * docs);
    return {
      queryId: String(q),
      query: own[0]!.query,
      docIds: own.map((_, i) => String(i)),
      docs: own.map(({ document }) => document),
      targets: own.map((_, i) => docs - i),
    };
  });
}

async function measure(folder: string, pairs: readonly TextPair[]): Promise<Row> {
  await using model = await TrainableModel.load(folder, {
    precision: values.precision,
    threads: values.threads === undefined ? undefined : Number(values.threads),
    config: { queryLength: 32, docLength: 256 },
    onWarning: () => undefined,
  });
  const trainer = new Trainer(model, {
    losses: [createLoss('RankNet')],
    optimizer: { lr: 1e-5 },
    tokenBudget: values.budget === undefined ? undefined : Number(values.budget),
  });
  const samples = samplesOf(pairs);
  let forwardFlops = 0;
  for await (const { result } of model.scoreWindows(
    samples.flatMap(({ query, docs: texts }) => texts.map((document) => ({ query, document }))),
  )) {
    forwardFlops += result.linearFlops;
  }
  const step = async (): Promise<number> => {
    const { tokens } = await trainer.backward(await trainer.encode(samples));
    await trainer.update();
    return tokens;
  };
  await step(); // fills caches, touches all memory
  const before = await gemmPeak(model.native.precision);
  let tokens = 0;
  const start = performance.now();
  for (let i = 0; i < steps; i++) tokens += await step();
  const seconds = (performance.now() - start) / 1000;
  const peak = Math.max(before, await gemmPeak(model.native.precision));
  const gflops = (3 * forwardFlops * steps) / seconds / 1e9;
  return {
    trainer: 'rank-distillm',
    precision: model.native.precision,
    pairsPerSecond: (queries * docs * steps) / seconds,
    tokensPerSecond: tokens / seconds,
    gflops,
    gemmPeakGflops: peak,
    ratio: gflops / peak,
    peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
  };
}

async function peer(python: string, folder: string, pairs: readonly TextPair[]): Promise<Row> {
  const work = await mkdtemp(join(tmpdir(), 'rank-distillm-bench-'));
  try {
    const file = join(work, 'samples.json');
    await writeFile(file, JSON.stringify(samplesOf(pairs)));
    const script = fileURLToPath(new URL('peers/lightning_ir_train.py', import.meta.url));
    const threads = values.threads ?? String(machine().threads);
    const { stdout, stderr, status } = spawnSync(
      python,
      [script, folder, file, values.precision, String(steps), threads],
      {
        encoding: 'utf8',
      },
    );
    if (status !== 0) throw new Error(`${python}: ${stderr}`);
    const found = JSON.parse(stdout.trim().split('\n').at(-1)!) as { pairsPerSecond: number; peakMemoryMiB: number };
    const unknown = { tokensPerSecond: undefined, gflops: undefined, gemmPeakGflops: undefined, ratio: undefined };
    return { trainer: 'lightning-ir', precision: values.precision, ...unknown, ...found };
  } finally {
    await rm(work, { recursive: true });
  }
}

if (values.help) {
  console.log(USAGE);
} else {
  const folder = values.model ?? (await randomElectraBase());
  const pairs = await benchPairs(queries * docs);
  const results = [await measure(folder, pairs)];
  if (values.peer !== undefined) results.push(await peer(values.peer, folder, pairs));
  if (values.json) {
    console.log(JSON.stringify({ machine: machine(), results }, null, 2));
  } else {
    console.log(`${machineLine()}; RankNet, ${queries} x ${docs} pairs a step`);
    console.log(
      formatTable(
        [
          { head: 'trainer' },
          { head: 'precision' },
          { head: 'pairs/s', digits: 2 },
          { head: 'tokens/s', digits: 0 },
          { head: 'GFLOP/s', digits: 0 },
          { head: 'GEMM peak', digits: 0 },
          { head: 'ratio', digits: 2 },
          { head: 'peak MiB', digits: 0 },
        ],
        results.map((row) => [
          row.trainer,
          row.precision,
          row.pairsPerSecond,
          row.tokensPerSecond,
          row.gflops,
          row.gemmPeakGflops,
          row.ratio,
          row.peakMemoryMiB,
        ]),
      ),
    );
  }
}
