import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { DeviceBinding, EncoderConfig, HeadConfig, ModelOptions, NamedTensor } from '../../binding.js';
import { KeptValue } from '../io/kept.js';
import { packageVersion } from '../io/package-version.js';
import { expectedShapes } from '../models/tensors.js';
import { NO_DROPOUT } from './engine-options.js';

export type Work = 'scoring' | 'training';
export type NativeArithmetic = Pick<ModelOptions, 'precision' | 'attention' | 'between' | 'tiles'>;

const rates = z.object({
  cpu: z.record(z.string(), z.string()),
  kernels: z.string(),
  by: z.string(),
  measured: z.string(),
  threads: z.int(),
  /** Of one layer of ELECTRA-base, by the CPU time of all threads; by the arithmetic's name. */
  tokensPerCpuSecond: z.record(z.string(), z.number().positive()),
});

export type Rates = z.output<typeof rates>;

const inThisProcess = new Map<string, Promise<Rates | undefined>>();

/**
 * The rates that are kept for this CPU, measured if there are none; undefined where they cannot be kept.
 *
 * @param all arithmetics by their names
 */
export function keptRates(
  binding: DeviceBinding,
  work: Work,
  all: ReadonlyMap<string, NativeArithmetic>,
): Promise<Rates | undefined> {
  const { kernels, cpuFeatures, threads } = binding.info();
  const cpu = cpuModel();
  const parts = [packageVersion(), cpu, kernels, cpuFeatures, work, [...all.keys()]];
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
  const file = new KeptValue(`arithmetic/${work}-${hash}.json`, rates);
  let found = inThisProcess.get(file.path);
  if (found === undefined) {
    const measured = async (): Promise<Rates | undefined> => {
      const tokensPerCpuSecond = await measureRates(binding, work, all);
      const by = `rank-distillm ${packageVersion()}`;
      return file.keep({ cpu, kernels, by, measured: new Date().toISOString(), threads, tokensPerCpuSecond });
    };
    found = file.read().then((known) => known ?? measured());
    inThisProcess.set(file.path, found);
    found.catch(() => inThisProcess.delete(file.path)); // the next model tries again
  }
  return found;
}

/** The names of a CPU's model: on virtual machines `model name` alone says little. */
const CPU_FIELDS = [
  'model name',
  'cpu family',
  'model',
  'stepping',
  'CPU implementer',
  'CPU variant',
  'CPU part',
  'CPU revision',
];

function cpuModel(): Record<string, string> {
  const model: Record<string, string> = {};
  try {
    const [first = ''] = readFileSync('/proc/cpuinfo', 'utf8').split('\n\n');
    for (const line of first.split('\n')) {
      const [name = '', value = ''] = line.split(/\s*:\s*/);
      if (CPU_FIELDS.includes(name)) model[name] = value;
    }
  } catch {
    // a system without that file has one model of CPU
  }
  return model;
}

/** A layer of ELECTRA-base, and sequences that keep each thread busy for some milliseconds. */
export const RATED: EncoderConfig = {
  vocabSize: 64,
  embeddingSize: 768,
  hiddenSize: 768,
  layers: 1,
  heads: 12,
  intermediateSize: 3072,
  maxPositions: 128,
  firstPosition: 0,
  typeVocabSize: 2,
  layerNormEps: 1e-12,
  activation: 'gelu',
};
/** Every row of the last layer is needed. */
const HEAD: HeadConfig = {
  pooling: 'mean',
  dense: undefined,
  output: { name: 'output', labels: 1, bias: false },
  label: 0,
  logSoftmax: false,
};
const LENGTH = 96;
const SEQUENCES_OF_THREAD = 2;
/** All take turns, so that what disturbs the machine disturbs all; the best turn of each counts. */
const ROUNDS = 6;
/** Of all CPU time for them: what runs for longer is disturbed less, and a small machine is not kept for a minute. */
const MOST_SECONDS = 10;

interface Measured {
  /** One pass over the batch. */
  run(): Promise<unknown>;
  close(): Promise<void>;
}

/** CPU seconds of this process: what a busy machine gives to other processes does not count. */
async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

async function measureRates(
  binding: DeviceBinding,
  work: Work,
  all: ReadonlyMap<string, NativeArithmetic>,
): Promise<Rates['tokensPerCpuSecond']> {
  // the number of threads belongs to the process: leave it as it is
  const { threads } = binding.info();
  const sequences = SEQUENCES_OF_THREAD * threads;
  const batch = {
    inputIds: Int32Array.from({ length: sequences * LENGTH }, (_, i) => (i * 29) % RATED.vocabSize),
    tokenTypeIds: new Uint8Array(sequences * LENGTH),
    cuSeqlens: Int32Array.from({ length: sequences + 1 }, (_, i) => i * LENGTH),
  };
  const tensors = randomTensors();
  const open = async (arithmetic: NativeArithmetic): Promise<Measured> => {
    const options = { encoder: RATED, head: HEAD, ...arithmetic, threads };
    if (work === 'scoring') {
      const model = await binding.createModel(options, tensors);
      return { run: () => model.score(batch), close: () => model.close() };
    }
    const trainer = await binding.createTrainer({ ...options, dropout: NO_DROPOUT, paddingId: -1, seed: 0 }, tensors);
    const pairs = Uint32Array.from({ length: sequences }, (_, i) => i);
    const run = async (): Promise<void> => {
      const { kept } = await trainer.forward({ ...batch, pairs }, 0, true);
      await trainer.backward(kept, new Float32Array(sequences).fill(1));
    };
    return { run, close: () => trainer.close() };
  };
  const models: Measured[] = [];
  try {
    for (const arithmetic of all.values()) models.push(await open(arithmetic));
    const best = models.map(() => Infinity);
    let spent = 0;
    for (let round = 0; round < ROUNDS && spent < MOST_SECONDS; round++) {
      for (const [i, model] of models.entries()) {
        const seconds = await secondsOf(() => model.run());
        best[i] = Math.min(best[i]!, seconds);
        spent += seconds;
      }
    }
    return Object.fromEntries([...all.keys()].map((name, i) => [name, (sequences * LENGTH) / best[i]!]));
  } finally {
    await Promise.all(models.map((model) => model.close()));
  }
}

/** Speed does not depend on the weights: all tensors share one stretch of numbers. */
function randomTensors(): NamedTensor[] {
  const shapes = [...expectedShapes(RATED, HEAD)];
  const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
  let state = 1;
  const numbers = Float32Array.from({ length: Math.max(...shapes.map(([, shape]) => sizeOf(shape))) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator
    return (state / 2 ** 32 - 0.5) / 8;
  });
  return shapes.map(([name, shape]) => ({
    name,
    dtype: 'float32',
    shape,
    data: new Uint8Array(numbers.buffer, 0, 4 * sizeOf(shape)),
  }));
}
