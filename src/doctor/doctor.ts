import { z } from 'zod';
import type { Binding, GpuInfo } from '../../binding.js';
import { checkOptions, type OptionsOf } from '../config/read-settings.js';
import { key } from '../config/schema/fields.js';
import { CrossEncoder } from '../engine/cross-encoder.js';
import { passed } from '../engine/engine-options.js';
import {
  checkNeeds,
  findBinary,
  findTorchEngine,
  loadBinding,
  loadTorchBinding,
  SEE_DOCTOR,
  TORCH_HINT,
} from '../io/load-binding.js';
import { type RankDistillmError, throwIfAborted } from '../errors.js';
import { packageVersion } from '../io/package-version.js';
import { loadCheckpoint } from '../models/load-checkpoint.js';
import { hubReport, machineReport, nvidiaDriver, tryEngine, variables } from './machine.js';
import type {
  DoctorCheck,
  DoctorReport,
  EngineReport,
  GpuReport,
  HubReport,
  MachineReport,
  ModelReport,
  PrecisionReport,
} from './report.js';
import { SelfTest } from './self-test.js';

export const doctorOptions = z.strictObject({
  model: key(z.string().optional(), 'A model folder or Hugging Face id to load and to measure.'),
  gpu: key(z.boolean().default(false), 'Load LibTorch, and test the GPUs that it sees too.'),
  signal: passed<AbortSignal>('an AbortSignal', 'Aborts the work.'),
});

export type DoctorOptions = OptionsOf<typeof doctorOptions>;

/**
 * Looks at this installation: versions, the engine's binary, processor and memory, caches. Scores a small model and
 * compares the scores with lightning-ir's. It does not throw for what it finds, but reports it with its fix.
 *
 * @throws RankDistillmError `bad_input` for options, `aborted`
 */
export async function doctor(given: DoctorOptions = {}): Promise<DoctorReport> {
  const { model: name, gpu: opensGpu, signal } = checkOptions(doctorOptions, given);
  throwIfAborted(signal);
  const checks: DoctorCheck[] = [];
  const add = (check: DoctorCheck): void => void checks.push(check);
  const machine = machineReport();
  const versions = versionsReport();
  const set = variables();
  add(checkNode(versions));
  const engine = await checkEngine(add, set);
  add(checkThreads(machine, engine));
  add(checkMemory(machine));
  const gpu = checkGpu(add, opensGpu);
  throwIfAborted(signal);
  if (engine) await checkScores(add, engine, gpu.opened ?? []);
  const hub = await hubReport();
  add(checkHub(hub));
  throwIfAborted(signal);
  const model = name === undefined || !engine ? undefined : await checkModel(add, name, signal);
  const ok = checks.every(({ status }) => status !== 'failed');
  return { ok, checks, versions, variables: set, machine, engine, gpu, hub, model };
}

function okay(name: string, ...lines: string[]): DoctorCheck {
  return { name, status: 'ok', lines, fix: undefined };
}

function failed(name: string, error: unknown, ...before: string[]): DoctorCheck {
  const { message, hint } = error as RankDistillmError;
  const fix = hint?.replace(SEE_DOCTOR, '').trim() ?? 'Report this with the output of `rank-distillm doctor --json`.';
  return { name, status: 'failed', lines: [...before, message], fix };
}

function versionsReport(): DoctorReport['versions'] {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  const glibc = header.glibcVersionRuntime;
  return {
    package: packageVersion(),
    node: process.versions.node,
    nodeApi: process.versions['napi'] ?? 'unknown',
    platform: `${process.platform} ${process.arch}`,
    libc: glibc === undefined ? undefined : `glibc ${glibc}`,
  };
}

/** As package.json's `engines`. */
function isNodeSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major === 20 ? minor >= 19 : major === 22 ? minor >= 12 : major > 22;
}

function checkNode({ node, nodeApi, platform, libc }: DoctorReport['versions']): DoctorCheck {
  const line = `Node.js ${node} (Node-API ${nodeApi}), ${platform}, ${libc ?? 'a C library other than glibc'}`;
  if (isNodeSupported(node)) return okay('system', line);
  return { name: 'system', status: 'failed', lines: [line], fix: 'Use Node.js 20.19, 22.12 or newer.' };
}

async function checkEngine(
  add: (check: DoctorCheck) => void,
  set: DoctorReport['variables'],
): Promise<EngineReport | undefined> {
  let binding: Binding;
  let found;
  try {
    found = findBinary();
    checkNeeds(found.file);
    await tryEngine(found.file);
    binding = loadBinding();
  } catch (error) {
    add(failed('engine', error, ...(found ? [`${found.file}: ${found.why}`] : [])));
    return undefined;
  }
  const { kernels, cpuFeatures, threads } = binding.info();
  const lines = [`${found.file}: ${found.why}`, `kernels ${kernels}; CPU features ${cpuFeatures.join(' ') || 'none'}`];
  const forced = Object.keys(set).filter((name) => /^RANK_DISTILLM_(CPU_FEATURES|ARITHMETIC|EMULATE_\w+)$/.test(name));
  add(
    forced.length === 0
      ? okay('engine', ...lines)
      : {
          name: 'engine',
          status: 'warning',
          lines: [...lines, `${forced.map((name) => `${name}=${set[name]}`).join(', ')} changes the arithmetic`],
          fix: `Unset ${forced.join(' and ')}, which ${forced.length > 1 ? 'are' : 'is'} for tests.`,
        },
  );
  return { ...found, kernels, cpuFeatures, threads, precisions: [] };
}

function checkThreads({ cpu, cpus, allowedCpus, cgroupCpus }: MachineReport, engine?: EngineReport): DoctorCheck {
  const limits = [
    ...(allowedCpus < cpus ? [`this process may use ${allowedCpus} (affinity)`] : []),
    ...(cgroupCpus === undefined ? [] : [`the cgroup allows ${Number(cgroupCpus.toFixed(2))}`]),
  ];
  const uses = engine ? `; the engine uses ${engine.threads} ${engine.threads === 1 ? 'thread' : 'threads'}` : '';
  return okay('processor', `${cpu}, ${cpus} CPUs${limits.map((limit) => `, ${limit}`).join('')}${uses}`);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** ELECTRA-base in float32, with its tokenizer and Node.js. */
const LITTLE_MEMORY = 1e9;

function checkMemory({ memoryBytes, availableBytes, cgroupBytes }: MachineReport): DoctorCheck {
  const limit = cgroupBytes === undefined ? '' : `, the cgroup allows ${gigabytes(cgroupBytes)}`;
  const line = `${gigabytes(memoryBytes)}${limit}, ${gigabytes(availableBytes)} available`;
  if (availableBytes >= LITTLE_MEMORY) return okay('memory', line);
  const fix = 'ELECTRA-base takes about 1 GB: free memory, raise the limit, or use a smaller model or precision int8.';
  return { name: 'memory', status: 'warning', lines: [line], fix };
}

function checkGpu(add: (check: DoctorCheck) => void, isAsked: boolean): GpuReport {
  const { driver, names } = nvidiaDriver();
  const report: GpuReport = { driver, names, file: undefined, libtorch: undefined, opened: undefined };
  const line = driver === undefined ? 'no NVIDIA driver' : `NVIDIA driver ${driver}: ${names.join(', ') || 'no GPU'}`;
  try {
    const found = findTorchEngine();
    if (found) Object.assign(report, { file: found.file, libtorch: found.libtorch?.version ?? found.builtFor });
    const addon = found && [
      `${found.file}, built for LibTorch ${found.builtFor ?? 'of an unknown version'}`,
      ...(found.libtorch
        ? [`LibTorch ${found.libtorch.version} in ${found.libtorch.folder}: ${found.libtorch.why}`]
        : []),
    ];
    if (isAsked) {
      const info = loadTorchBinding().info();
      Object.assign(report, { libtorch: info.libtorch, opened: info.gpus });
      const seen = info.gpus.map(({ name, totalBytes }: GpuInfo) => `${name} (${gigabytes(totalBytes)})`);
      const lines = [line, `LibTorch ${info.libtorch} sees ${seen.join(', ') || 'no GPU'}`];
      add(
        seen.length > 0
          ? okay('GPU', ...lines)
          : {
              name: 'GPU',
              status: 'failed',
              lines,
              fix: 'Use device: cpu, or install the driver and a LibTorch with CUDA.',
            },
      );
    } else if (driver !== undefined && addon === undefined) {
      const lines = [`${line}; the engine for GPUs is not installed`];
      add({ name: 'GPU', status: 'warning', lines, fix: TORCH_HINT });
    } else {
      add(okay('GPU', line, ...(addon === undefined ? [] : [...addon, 'doctor --gpu loads it'])));
    }
  } catch (error) {
    if (isAsked || driver !== undefined) add(failed('GPU', error, line));
    else add(okay('GPU', line)); // the engine itself is missing, and another check says so
  }
  return report;
}

const PRECISIONS = ['32-true', 'bf16-mixed', 'int8'] as const;

async function checkScores(add: (check: DoctorCheck) => void, engine: EngineReport, gpus: GpuInfo[]): Promise<void> {
  let selfTest: SelfTest | undefined;
  try {
    selfTest = await SelfTest.load();
    const devices = ['cpu', ...gpus.map((_, i) => `cuda:${i}`)];
    for (const device of devices) {
      for (const asked of PRECISIONS) {
        if (asked === 'int8' && device !== 'cpu') continue;
        engine.precisions.push(await selfTest.run(asked, device));
      }
    }
  } catch (error) {
    add(failed('self-test', error));
    return;
  } finally {
    await selfTest?.close();
  }
  const lines = [
    `${selfTest.pairs} pairs, compared with ${selfTest.source}`,
    ...engine.precisions.map((precision) => precisionLine(precision)),
  ];
  const isRight = engine.precisions.every((precision) => precision.isRight);
  const older = engine.kernels === 'generic' ? '' : ' RANK_DISTILLM_CPU_FEATURES=none chooses the plainest kernels.';
  add(
    isRight
      ? okay('self-test', ...lines)
      : {
          name: 'self-test',
          status: 'failed',
          lines,
          fix: `Do not use these scores: report this with the output of \`rank-distillm doctor --json\`.${older}`,
        },
  );
}

function precisionLine({ asked, device, arithmetic, why, gflops, largestError, isRight }: PrecisionReport): string {
  const rate =
    gflops === undefined ? '' : gflops > 0 ? `, ${gflops.toFixed(gflops < 10 ? 1 : 0)} GFLOP/s` : ', emulated';
  const where = device === 'cpu' ? '' : ` on ${device}`;
  const error = `scores off by ${largestError.toExponential(0)}${isRight ? '' : ': WRONG'}`;
  return `${asked} runs in ${arithmetic}${where}${rate}; ${error} (${why})`;
}

function checkHub({ folder, models, bytes, notWritable, offline }: HubReport): DoctorCheck {
  const count = models === 1 ? '1 model' : `${models} models`;
  const lines = [`${folder}: ${count}, ${gigabytes(bytes)}`];
  if (offline !== undefined) lines.push(`${offline} is set: nothing is downloaded`);
  if (notWritable === undefined) return okay('model cache', ...lines);
  lines.push(`cannot be written: ${notWritable}`);
  if (offline !== undefined) return okay('model cache', ...lines);
  const fix =
    'Set HF_HUB_CACHE to a folder that you may write to; or, if all models are there, RANK_DISTILLM_OFFLINE=1.';
  return { name: 'model cache', status: 'failed', lines, fix };
}

const QUERY = 'how do cross-encoders re-rank search results';
const PASSAGE =
  'A cross-encoder reads a query and a passage together, so that each word of the one can attend to each word of the ' +
  'other. It takes too long for a whole collection. A first stage therefore finds a hundred candidates or so, and the ' +
  'cross-encoder scores these, one pair at a time, and puts the best of them on top.';
const PAIRS_AT_ONCE = 16;
const MEASURED_SECONDS = 1.5;

async function checkModel(
  add: (check: DoctorCheck) => void,
  name: string,
  signal: AbortSignal | undefined,
): Promise<ModelReport | undefined> {
  const seconds = (): number => performance.now() / 1000;
  const start = seconds();
  const warnings: string[] = [];
  let model: CrossEncoder | undefined;
  try {
    const checkpoint = await loadCheckpoint(name, { freshHead: false });
    model = await CrossEncoder.fromCheckpoint(checkpoint, { signal, onWarning: (text) => warnings.push(text) });
    const loadSeconds = seconds() - start;
    let tokens = 0;
    let score = NaN;
    for await (const first of model.scoreStream([{ query: QUERY, document: PASSAGE }], { signal })) {
      tokens = first.encoded.inputIds.length;
      score = first.score;
    }
    const firstScoreSeconds = seconds() - start;
    const measured = seconds();
    let pairs = 0;
    while (seconds() - measured < MEASURED_SECONDS) {
      // equal pairs are computed once
      const documents = Array.from({ length: PAIRS_AT_ONCE }, (_, i) => `${pairs + i} ${PASSAGE}`);
      await model.score(
        documents.map((document) => ({ query: QUERY, document })),
        { signal },
      );
      pairs += PAIRS_AT_ONCE;
    }
    const report: ModelReport = {
      name,
      modelClass: checkpoint.modelClass,
      layers: checkpoint.encoder.layers,
      hiddenSize: checkpoint.encoder.hiddenSize,
      parameters: checkpoint.tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
      weightBytes: checkpoint.tensors.reduce((sum, { data }) => sum + ('bytes' in data ? data.bytes : data.length), 0),
      precision: model.precision,
      device: model.device,
      loadSeconds,
      exampleTokens: tokens,
      exampleScore: score,
      firstScoreSeconds,
      pairsPerSecond: pairs / (seconds() - measured),
    };
    const lines = modelLines(report);
    if (warnings.length === 0) add(okay('model', ...lines));
    else {
      const fix = 'Check that this is the model you mean.';
      add({ name: 'model', status: 'warning', lines: [...lines, ...warnings], fix });
    }
    return report;
  } catch (error) {
    throwIfAborted(signal);
    add(failed('model', error));
    return undefined;
  } finally {
    await model?.close();
  }
}

function modelLines(report: ModelReport): string[] {
  const { name, modelClass, layers, hiddenSize, parameters, weightBytes, precision, device } = report;
  const { loadSeconds, exampleTokens, exampleScore, firstScoreSeconds, pairsPerSecond } = report;
  return [
    `${name}: ${modelClass}, ${layers} layers of ${hiddenSize}, ${(parameters / 1e6).toFixed(1)} M parameters, ` +
      `${(weightBytes / 1e6).toFixed(1)} MB`,
    `loaded in ${loadSeconds.toFixed(2)} s, first score after ${firstScoreSeconds.toFixed(2)} s: ` +
      `${exampleScore.toFixed(4)} for an example of ${exampleTokens} tokens`,
    `${pairsPerSecond.toFixed(1)} such pairs/s in ${precision} on ${device}`,
  ];
}
