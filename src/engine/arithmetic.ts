import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type {
  ComputePrecision,
  DeviceBinding,
  EncoderConfig,
  EngineInfo,
  HeadConfig,
  NamedTensor,
} from '../../binding.js';
import { RankDistillmError } from '../errors.js';
import { KeptValue } from '../io/kept.js';
import { packageVersion } from '../io/package-version.js';
import { expectedShapes } from '../models/tensors.js';

// A precision's name promises how exact scores are. Which arithmetic keeps the promise on a CPU is measured: flags say
// which instructions there are, and not whether they are fast.

export interface ArithmeticChoice {
  /** What the linear layers multiply. */
  products: ComputePrecision;
  /** One sentence. */
  why: string;
}

/** All kinds, the finest first: each keeps the promises of those after it. */
const KINDS = ['float32', 'int16', 'bfloat16', 'int8'] as const satisfies ComputePrecision[];

/** Of kinds whose speed differs by no more than this share, the finest is taken. */
const ALIKE = 0.05;

type Work = 'scoring' | 'training';

const rates = z.object({
  cpu: z.record(z.string(), z.string()),
  kernels: z.string(),
  by: z.string(),
  measured: z.string(),
  threads: z.int(),
  /** Of one layer of ELECTRA-base, by the CPU time of all threads. */
  tokensPerCpuSecond: z.partialRecord(z.enum(KINDS), z.number().positive()),
});

type Rates = z.output<typeof rates>;

/** Who uses an arithmetic: a precision as the engine calls it, and the model's encoder. */
export interface ArithmeticUse {
  device: string;
  asked: ComputePrecision;
  encoder: Pick<EncoderConfig, 'hiddenSize' | 'heads'>;
  work: Work;
}

/**
 * The arithmetic that a precision is computed in on this CPU: of those that are exact enough, the finest that is about as
 * fast as the fastest. Measured in a fraction of a second when the first model of a host has a choice, and kept in the
 * cache folder, so that every process of the host computes the same scores. RANK_DISTILLM_ARITHMETIC fixes it: `flags`,
 * or a list such as `bf16-mixed=int16,int8=int8`.
 *
 * @throws RankDistillmError `bad_input` for another value of the variable
 */
export async function chooseArithmetic(binding: DeviceBinding, use: ArithmeticUse): Promise<ArithmeticChoice> {
  if (use.device !== 'cpu') return { products: use.asked, why: 'devices compute what is asked for' };
  const allowed = allowedKinds(binding.info(), use);
  // what the flags choose: instructions that there are count as fast
  const byFlags = allowed.includes(use.asked) ? use.asked : (allowed.at(-1) ?? 'float32');
  if (allowed.length === 1) return { products: byFlags, why: 'nothing else here is as exact' };
  const fixed = fixedBy(process.env[VARIABLE], use.asked);
  if (fixed !== undefined) {
    const products = allowed.find((kind) => kind === fixed) ?? byFlags;
    return { products, why: `${VARIABLE} is ${process.env[VARIABLE]}` };
  }
  const found = await keptRates(binding, use.work);
  if (found === undefined) {
    return { products: byFlags, why: 'chosen by the flags of the CPU, since the cache folder cannot be written' };
  }
  const speeds = allowed.map((kind) => ({ kind, speed: found.tokensPerCpuSecond[kind] ?? 0 }));
  const fastest = Math.max(...speeds.map(({ speed }) => speed));
  const { kind: products } = speeds.find(({ speed }) => speed >= (1 - ALIKE) * fastest)!;
  const words = speeds.map(({ kind, speed }) => `${kind} ${(speed / fastest).toFixed(2)}`).join(', ');
  return { products, why: `measured on ${found.measured.slice(0, 10)}, shares of the fastest: ${words}` };
}

/** Kinds that are as exact as what is asked for, and that the engine has here: native/model/config.cc decides that. */
function allowedKinds({ bf16, int8 }: EngineInfo, { asked, encoder, work }: ArithmeticUse): ComputePrecision[] {
  const isEven = (encoder.hiddenSize / encoder.heads) % 2 === 0;
  const has: Record<ComputePrecision, boolean> = {
    float32: true,
    int16: work === 'scoring',
    bfloat16: bf16 && isEven,
    int8: int8 && work === 'scoring',
  };
  return KINDS.slice(0, KINDS.indexOf(asked) + 1).filter((kind) => has[kind]);
}

const VARIABLE = 'RANK_DISTILLM_ARITHMETIC';
const PROMISES: Readonly<Record<string, ComputePrecision>> = { 'bf16-mixed': 'bfloat16', int8: 'int8' };

/** Undefined: not fixed. What a list does not name follows from the flags. */
function fixedBy(setting: string | undefined, asked: ComputePrecision): ComputePrecision | 'flags' | undefined {
  if (setting === undefined || setting === '' || setting === 'measured') return undefined;
  let found: ComputePrecision | 'flags' = 'flags';
  for (const entry of setting === 'flags' ? [] : setting.split(',')) {
    const [promise = '', name] = entry.split('=');
    const kind = KINDS.find((known) => known === name);
    if (!Object.hasOwn(PROMISES, promise) || kind === undefined) {
      throw new RankDistillmError(
        'bad_input',
        `${VARIABLE}: expected measured, flags or a list, received "${setting}"`,
        {
          hint: `A list: bf16-mixed=KIND,int8=KIND; the kinds are ${KINDS.join(', ')}.`,
        },
      );
    }
    if (PROMISES[promise] === asked) found = kind;
  }
  return found;
}

const inThisProcess = new Map<string, Promise<Rates | undefined>>();

/** The rates that are kept for this CPU, measured if there are none; undefined where they cannot be kept. */
function keptRates(binding: DeviceBinding, work: Work): Promise<Rates | undefined> {
  const { kernels, cpuFeatures, bf16, int8 } = binding.info();
  const cpu = cpuModel();
  const parts = [packageVersion(), cpu, kernels, cpuFeatures, bf16, int8, work];
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
  const file = new KeptValue(`arithmetic/${work}-${hash}.json`, rates);
  let found = inThisProcess.get(file.path);
  if (found === undefined) {
    const measured = async (): Promise<Rates | undefined> => {
      const tokensPerCpuSecond = await measureRates(binding, work);
      const by = `rank-distillm ${packageVersion()}`;
      const { threads } = binding.info();
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
const ENCODER: EncoderConfig = {
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
/** Kinds take turns, so that what disturbs the machine disturbs all; the best turn of each counts. */
const ROUNDS = 8;

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

async function measureRates(binding: DeviceBinding, work: Work): Promise<Rates['tokensPerCpuSecond']> {
  // the number of threads belongs to the process: leave it as it is
  const { threads } = binding.info();
  const sequences = SEQUENCES_OF_THREAD * threads;
  const batch = {
    inputIds: Int32Array.from({ length: sequences * LENGTH }, (_, i) => (i * 29) % ENCODER.vocabSize),
    tokenTypeIds: new Uint8Array(sequences * LENGTH),
    cuSeqlens: Int32Array.from({ length: sequences + 1 }, (_, i) => i * LENGTH),
  };
  const tensors = randomTensors();
  const open = async (precision: ComputePrecision): Promise<Measured> => {
    const options = { encoder: ENCODER, head: HEAD, precision, threads };
    if (work === 'scoring') {
      const model = await binding.createModel(options, tensors);
      return { run: () => model.score(batch), close: () => model.close() };
    }
    const dropout = {
      embeddings: 0,
      attentionWeights: 0,
      attentionOutput: 0,
      layerOutput: 0,
      headInput: 0,
      headHidden: 0,
    };
    const trainer = await binding.createTrainer({ ...options, dropout, paddingId: -1, seed: 0 }, tensors);
    const pairs = Uint32Array.from({ length: sequences }, (_, i) => i);
    const run = async (): Promise<void> => {
      const { kept } = await trainer.forward({ ...batch, pairs }, 0, true);
      await trainer.backward(kept, new Float32Array(sequences).fill(1));
    };
    return { run, close: () => trainer.close() };
  };
  const use = { device: 'cpu', encoder: ENCODER, work } as const;
  const kinds = allowedKinds(binding.info(), { ...use, asked: work === 'scoring' ? 'int8' : 'bfloat16' });
  const models: Measured[] = [];
  try {
    for (const kind of kinds) models.push(await open(kind));
    const best = models.map(() => Infinity);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, model] of models.entries()) best[i] = Math.min(best[i]!, await secondsOf(() => model.run()));
    }
    return Object.fromEntries(kinds.map((kind, i) => [kind, (sequences * LENGTH) / best[i]!]));
  } finally {
    await Promise.all(models.map((model) => model.close()));
  }
}

/** Speed does not depend on the weights: all tensors share one stretch of numbers. */
function randomTensors(): NamedTensor[] {
  const shapes = [...expectedShapes(ENCODER, HEAD)];
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
