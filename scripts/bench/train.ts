import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ComputePrecision } from '../../binding.js';
import { loadBinding } from '../../src/io/load-binding.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { createPairTokenizer } from '../../src/tokenize/pair-tokenizer.js';
import { numberOf, runScript } from '../lib/command.js';
import { run as runProgram } from '../lib/run.mjs';
import { SetupError } from '../lib/say.mjs';
import { GemmPeaks } from './gemm-peak.js';
import {
  DEVICES,
  machine,
  machineLine,
  oneOf,
  OPTIONS,
  OPTIONS_USAGE,
  printReport,
  rateColumns,
  reportWhenEnded,
  tableOf,
  type Device,
} from './host.js';
import { randomModel } from './models.js';
import { DL20_PAIRS, TRUNCATION } from './pairs.js';
import { measureInProcess, trainingSamples } from './row.js';

const USAGE = `usage: npm run bench -- train [options]

Training pairs per second (RankNet, AdamW, dropout as configured) beside the matrix rate (GEMM) of the same run. The ratio
counts three times the forward's multiplications, whatever was computed besides.

  --model FOLDER   default: ELECTRA-base with random weights, made once
${OPTIONS_USAGE}
  --queries N      topics of a step, default 2, on cuda 32; with all their documents at most ${DL20_PAIRS} pairs
  --docs N         documents of each, default 16, on cuda 100
  --steps N        steps that are timed, default 3, on cuda 10
  --budget N       tokens held at a time; default: from free memory
  --precision NAME default bf16-mixed (float32 where the CPU has no bf16, the peer as well)
  --threads N
  --peer PYTHON    trains on the same pairs right after ours: a Python with lightning-ir; on cuda one with transformers,
                   see peers/train.py`;

const DEFAULTS = { cpu: { queries: 2, docs: 16, steps: 3 }, cuda: { queries: 32, docs: 100, steps: 10 } };

/** lightning-ir is what users of a CPU have beside us; on a GPU it pads whole batches, so a careful loop stands there. */
const PEERS: Readonly<Record<Device, string>> = { cpu: 'lightning-ir', cuda: 'transformers' };

/** What is printed of a trainer, ours or a peer. */
interface TrainingResult {
  trainer: string;
  precision: string;
  pairsPerSecond: number;
  tokensPerSecond?: number;
  gflops?: number;
  gemmPeakGflops?: number | undefined;
  ratio?: number | undefined;
  /** Ours a second over the peer's. */
  oursOverTheirs?: number;
  /** Pairs, where the peer chose among some. */
  microBatch?: number;
  /** The GPU's on cuda. */
  peakMemoryMiB: number;
}

/** A line for each trainer. */
function formatTraining(rows: readonly TrainingResult[], device: Device): string {
  return tableOf<TrainingResult>(
    [
      { head: 'trainer', of: ({ trainer }) => trainer },
      { head: 'precision', of: ({ precision }) => precision },
      { head: 'pairs/s', digits: 2, of: ({ pairsPerSecond }) => pairsPerSecond },
      { head: 'tokens/s', digits: 0, of: ({ tokensPerSecond }) => tokensPerSecond },
      ...rateColumns(device),
      { head: 'ratio', digits: 2, of: ({ ratio }) => ratio },
      { head: 'ours / theirs', digits: 2, of: ({ oursOverTheirs }) => oursOverTheirs },
      { head: 'micro-batch', of: ({ microBatch }) => microBatch },
      { head: device === 'cuda' ? 'GPU peak MiB' : 'peak MiB', digits: 0, of: ({ peakMemoryMiB }) => peakMemoryMiB },
    ],
    rows,
  );
}

interface Setting {
  device: Device;
  folder: string;
  queries: number;
  docs: number;
  steps: number;
  precision: string;
  threads: number | undefined;
}

type OurResult = TrainingResult & { precision: ComputePrecision };

async function measureOurs({ queries, docs, ...setting }: Setting, tokenBudget?: number): Promise<OurResult> {
  const { device, folder, precision } = setting;
  const { encoder } = await loadCheckpoint(folder);
  const runsBf16 = device === 'cuda' || loadBinding().info().bf16;
  const peaks = new GemmPeaks(device);
  await peaks.measure(encoder, precision.startsWith('bf16') && runsBf16 ? 'bfloat16' : 'float32');
  const task = { ...setting, workload: `train-${queries}x${docs}`, seconds: 0, tokenBudget }; // the steps say how long
  const { computed, pairs, tokens, linearFlops, seconds, ...peak } = await measureInProcess(task);
  await peaks.measure(encoder, computed);
  const gemmPeakGflops = peaks.peak(encoder, computed)?.gflops;
  const gflops = linearFlops / seconds / 1e9;
  return {
    trainer: 'rank-distillm',
    precision: computed,
    pairsPerSecond: pairs / seconds,
    tokensPerSecond: tokens / seconds,
    gflops,
    gemmPeakGflops,
    ratio: gemmPeakGflops && gflops / gemmPeakGflops,
    peakMemoryMiB: peak.peakGpuMiB ?? peak.peakRssMiB,
  };
}

/** For the precision that ours computed in: on a CPU without bf16 that is another than the one asked for. */
export function trainingPeerPrecision(computed: ComputePrecision): string {
  return computed === 'bfloat16' ? 'bf16-mixed' : '32-true';
}

/** The samples that ours is trained on, with token ids for the peer that takes them. */
async function peerSamples({ folder, queries, docs }: Setting) {
  const tokenizer = await createPairTokenizer(await loadCheckpoint(folder, { overrides: TRUNCATION }));
  const samples = await trainingSamples(queries, docs);
  const encoded = await tokenizer.encodePairs(
    samples.flatMap(({ query, docs: texts }) => texts.map((document) => ({ query, document }))),
  );
  return samples.map((sample, i) => {
    const own = encoded.slice(i * docs, (i + 1) * docs);
    const inputIds = own.map((pair) => [...pair.inputIds]);
    return { ...sample, inputIds, tokenTypeIds: own.map((pair) => [...pair.tokenTypeIds]) };
  });
}

/** Trains the peer of the device on the batch that ours is trained on. */
async function measurePeer(python: string, setting: Setting, ours: OurResult): Promise<TrainingResult> {
  const { device, folder, steps } = setting;
  const trainer = PEERS[device];
  const precision = trainingPeerPrecision(ours.precision);
  const threads = setting.threads ?? machine(device).threads;
  const work = await mkdtemp(join(tmpdir(), 'rank-distillm-bench-'));
  try {
    const file = join(work, 'samples.json');
    await writeFile(file, JSON.stringify(await peerSamples(setting)));
    const script = fileURLToPath(new URL('peers/train.py', import.meta.url));
    const args = [script, trainer, folder, file, precision, String(steps), String(threads), device];
    const printed = await runProgram(python, args, { what: `training with ${trainer}`, quiet: true });
    const found = JSON.parse(printed.trim().split('\n').at(-1)!) as Omit<TrainingResult, 'trainer' | 'precision'>;
    return { trainer, precision, oursOverTheirs: ours.pairsPerSecond / found.pairsPerSecond, ...found };
  } finally {
    await rm(work, { recursive: true });
  }
}

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    {
      ...{ model: option, queries: option, docs: option, steps: option, budget: option, threads: option, peer: option },
      ...OPTIONS,
      precision: { ...option, default: 'bf16-mixed' },
    },
    async (values) => {
      const device = oneOf('device', values.device, DEVICES);
      const size = (name: 'queries' | 'docs' | 'steps'): number =>
        numberOf(name, values[name], 'a whole number above 0') ?? DEFAULTS[device][name];
      const [queries, docs, steps] = [size('queries'), size('docs'), size('steps')];
      if (queries * docs > DL20_PAIRS) {
        const pairs = `there are ${DL20_PAIRS} pairs to train on, not ${queries * docs}`;
        throw new SetupError(`--queries ${queries} --docs ${docs}: ${pairs}`);
      }
      const threads = numberOf('threads', values.threads);
      const budget = numberOf('budget', values.budget);
      const folder = values.model ?? (await randomModel('electra-base'));
      const setting = { device, folder, queries, docs, steps, precision: values.precision, threads };
      const results: TrainingResult[] = [];
      const report = (): void => {
        const head = `${machineLine(device)}; RankNet, ${queries} x ${docs} pairs a step`;
        const data = { machine: machine(device), queries, docs, results };
        printReport(values, data, `${head}\n${formatTraining(results, device)}`);
      };
      reportWhenEnded(report);
      const ours = await measureOurs(setting, budget);
      results.push(ours);
      if (values.peer !== undefined) results.push(await measurePeer(values.peer, setting, ours));
      report();
    },
    args,
  );
