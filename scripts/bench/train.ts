import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadCheckpoint } from '../../src/checkpoint/load-checkpoint.js';
import { loadBinding } from '../../src/engine/load-binding.js';
import { formatTable } from '../../src/report/table.js';
import type { TextPair } from '../../src/tokenize/encoded-pair.js';
import { positiveNumber, positiveNumberIfGiven } from './arguments.js';
import { GemmPeaks } from './gemm-peak.js';
import { machine, machineLine } from './machine.js';
import { trainingSamples } from './measure-training.js';
import { dl20Pairs } from './pairs.js';
import { randomModel } from './random-model.js';
import { measureInProcess } from './row-process.js';

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

const queries = positiveNumber('queries', values.queries);
const docs = positiveNumber('docs', values.docs);
const steps = positiveNumber('steps', values.steps);

async function measure(folder: string): Promise<Row> {
  const { encoder } = await loadCheckpoint(folder);
  const asked = values.precision.startsWith('bf16') && loadBinding().info().bf16 ? 'bfloat16' : 'float32';
  const peaks = new GemmPeaks();
  await peaks.measure(encoder, asked);
  const { computed, pairs, tokens, linearFlops, seconds, peakRssMiB } = await measureInProcess({
    workload: `train-${queries}x${docs}`,
    folder,
    precision: values.precision,
    seconds: 0, // the steps say how long
    steps,
    threads: positiveNumberIfGiven('threads', values.threads),
    tokenBudget: positiveNumberIfGiven('budget', values.budget),
  });
  await peaks.measure(encoder, computed);
  const peak = peaks.peak(encoder, computed).gflops;
  const gflops = linearFlops / seconds / 1e9;
  return {
    trainer: 'rank-distillm',
    precision: computed,
    pairsPerSecond: pairs / seconds,
    tokensPerSecond: tokens / seconds,
    gflops,
    gemmPeakGflops: peak,
    ratio: gflops / peak,
    peakMemoryMiB: peakRssMiB,
  };
}

async function peer(python: string, folder: string, pairs: readonly TextPair[]): Promise<Row> {
  const work = await mkdtemp(join(tmpdir(), 'rank-distillm-bench-'));
  try {
    const file = join(work, 'samples.json');
    await writeFile(file, JSON.stringify(trainingSamples(pairs, queries, docs)));
    const script = fileURLToPath(new URL('peers/lightning_ir_train.py', import.meta.url));
    const threads = values.threads ?? String(machine().threads);
    const { stdout, stderr, status } = spawnSync(
      python,
      [script, folder, file, values.precision, String(steps), threads],
      { encoding: 'utf8' },
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
  const folder = values.model ?? (await randomModel('electra-base'));
  const results = [await measure(folder)];
  if (values.peer !== undefined) results.push(await peer(values.peer, folder, await dl20Pairs(queries * docs)));
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
