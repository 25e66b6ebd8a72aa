import { parseArgs } from 'node:util';
import type { ComputePrecision } from '../../binding.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { loadBinding } from '../../src/engine/load-binding.js';
import { SetupError } from '../lib/say.mjs';
import { positiveNumberIfGiven, wholeNumber } from './arguments.js';
import { DEVICES, deviceNamed } from './device.js';
import { reportWhenEnded } from './ended-early.js';
import { GemmPeaks } from './gemm-peak.js';
import { machine, machineLine } from './machine.js';
import { DL20_PAIRS } from './pairs.js';
import { runTrainingPeer, trainingPeerName, trainingPeerPrecision } from './peers/training-peer.js';
import { randomModel } from './random-model.js';
import { measureInProcess } from './row-process.js';
import { formatTraining, type TrainingResult } from './training-table.js';

const USAGE = `usage: npm run bench -- train [options]

Training pairs per second (RankNet, AdamW, dropout as configured) beside the matrix rate (GEMM) of the same run. The ratio
counts three times the forward's multiplications, whatever was computed besides.

  --model FOLDER       default: ELECTRA-base with random weights, made once
  --device NAME        ${DEVICES.join(' or ')}; default cpu
  --queries N          topics of a step, default 2, on cuda 32; with all their documents at most ${DL20_PAIRS} pairs
  --docs N             documents of each, default 16, on cuda 100
  --steps N            steps that are timed, default 3, on cuda 10
  --budget N           tokens held at a time; default: from free memory
  --precision NAME     default bf16-mixed (float32 where the CPU has no bf16, the peer as well)
  --threads N
  --peer PYTHON        trains on the same pairs right after ours: a Python with lightning-ir; on cuda one with transformers,
                       see peers/transformers_train.py
  --json               one object instead of a table`;

const DEFAULTS = {
  cpu: { queries: '2', docs: '16', steps: '3' },
  cuda: { queries: '32', docs: '100', steps: '10' },
};

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    model: { type: 'string' },
    device: { type: 'string', default: 'cpu' },
    queries: { type: 'string' },
    docs: { type: 'string' },
    steps: { type: 'string' },
    budget: { type: 'string' },
    precision: { type: 'string', default: 'bf16-mixed' },
    threads: { type: 'string' },
    peer: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});

const device = deviceNamed(values.device);
const [queries, docs, steps] = (['queries', 'docs', 'steps'] as const).map((name) =>
  wholeNumber(name, values[name] ?? DEFAULTS[device][name]),
) as [number, number, number];
if (queries * docs > DL20_PAIRS) {
  throw new SetupError(
    `--queries ${queries} --docs ${docs}: there are ${DL20_PAIRS} pairs to train on, not ${queries * docs}`,
  );
}
const threads = positiveNumberIfGiven('threads', values.threads);

type OurResult = TrainingResult & { precision: ComputePrecision };

async function measure(folder: string): Promise<OurResult> {
  const { encoder } = await loadCheckpoint(folder);
  const runsBf16 = device === 'cuda' || loadBinding().info().bf16;
  const asked = values.precision.startsWith('bf16') && runsBf16 ? 'bfloat16' : 'float32';
  const peaks = new GemmPeaks(device);
  await peaks.measure(encoder, asked);
  const { computed, pairs, tokens, linearFlops, seconds, peakRssMiB, peakGpuMiB } = await measureInProcess({
    workload: `train-${queries}x${docs}`,
    folder,
    device,
    precision: values.precision,
    seconds: 0, // the steps say how long
    steps,
    threads,
    tokenBudget: positiveNumberIfGiven('budget', values.budget),
  });
  await peaks.measure(encoder, computed);
  const peak = peaks.peak(encoder, computed)?.gflops;
  const gflops = linearFlops / seconds / 1e9;
  return {
    trainer: 'rank-distillm',
    precision: computed,
    pairsPerSecond: pairs / seconds,
    tokensPerSecond: tokens / seconds,
    gflops,
    gemmPeakGflops: peak,
    ratio: peak && gflops / peak,
    peakMemoryMiB: peakGpuMiB ?? peakRssMiB,
  };
}

async function peer(python: string, folder: string, ours: OurResult): Promise<TrainingResult> {
  const precision = trainingPeerPrecision(ours.precision);
  const options = {
    python,
    folder,
    device,
    queries,
    docs,
    precision,
    steps,
    threads: threads ?? machine(device).threads,
  };
  const found = await runTrainingPeer(options);
  const oursOverTheirs = ours.pairsPerSecond / found.pairsPerSecond;
  return { trainer: trainingPeerName(device), precision, oursOverTheirs, ...found };
}

function report(results: readonly TrainingResult[]): void {
  if (values.json) {
    console.log(JSON.stringify({ machine: machine(device), queries, docs, results }, null, 2));
  } else {
    console.log(`${machineLine(device)}; RankNet, ${queries} x ${docs} pairs a step`);
    console.log(formatTraining(results, device));
  }
}

async function main(): Promise<void> {
  const folder = values.model ?? (await randomModel('electra-base'));
  const ours = await measure(folder);
  const results: TrainingResult[] = [ours];
  reportWhenEnded(() => report(results));
  if (values.peer !== undefined) results.push(await peer(values.peer, folder, ours));
  report(results);
}

if (values.help) console.log(USAGE);
else await main();
