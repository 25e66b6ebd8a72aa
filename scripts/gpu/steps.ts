import { join } from 'node:path';
import { root } from '../lib/root.mjs';
import { output } from '../lib/run.mjs';
import { BUILD, built, gpuArchitectures, type Host } from './host.js';

export interface Command {
  argv: readonly string[];
  /** Besides the host's. */
  env?: Readonly<Record<string, string>>;
  /** Its failure is none of the step's. */
  mayFail?: boolean;
  /** Seconds, where it may not take all that the step has left. */
  most?: number;
}

export interface Step {
  what: string;
  /** Of all its commands together; together with others it fits into the ten minutes that a lent machine gives. */
  seconds: number;
  commands: (host: Host, out: string) => readonly Command[] | { leftOut: string };
}

const NO_ADDON = { leftOut: `no rank_distillm.node in ${BUILD}: run the step build` };
const bench = (...args: string[]): string[] => ['scripts/bench/run.ts', ...args, '--device', 'cuda'];

/** With the addon that was built, which the tests and benches find by the variable. */
function withAddon(...commands: readonly (readonly string[])[]): readonly Command[] | typeof NO_ADDON {
  const addon = built('rank_distillm.node');
  if (addon === undefined) return NO_ADDON;
  const node = [process.execPath, '--import', 'tsx'];
  return commands.map((args) => ({
    argv: [...node, ...args],
    env: { RANK_DISTILLM_BINDING: addon, RANK_DISTILLM_TEST_DEVICE: 'cuda' },
  }));
}

/**
 * For the host's own GPUs, which takes half the time; and a warning of a compiler that is unknown where this is written
 * must not cost the host's time.
 */
function build({ torch }: Host): Command[] {
  const architectures = gpuArchitectures();
  const generator = output('ninja', ['--version']) === undefined ? [] : ['-G', 'Ninja'];
  const options = ['-DRANK_DISTILLM_CUDA=ON', `-DRANK_DISTILLM_TORCH=${torch}`, '-DRANK_DISTILLM_WERROR=OFF'];
  if (architectures !== undefined) options.push(`-DCMAKE_CUDA_ARCHITECTURES=${architectures}`);
  const compile = ['cmake', '--build', BUILD, '--parallel'];
  return [
    { argv: ['cmake', '-S', root, '-B', BUILD, ...generator, ...options] },
    { argv: compile },
    { argv: [...compile, '--target', 'cuda_test'], mayFail: true },
  ];
}

/** Kernels against their references, then what the addon computes. */
function parity(): ReturnType<Step['commands']> {
  const tests = withAddon(['scripts/test.mjs', 'test/cuda', 'test/golden', 'test/train']);
  const program = built('cuda_test');
  if ('leftOut' in tests || program === undefined) return tests;
  return [{ argv: [program, 'all'], most: 30 }, ...tests];
}

/** Without LibTorch's cache each tensor is memory of its own, so that memcheck sees what lies beyond it. */
function sanitize(): ReturnType<Step['commands']> {
  const program = built('cuda_test');
  if (program === undefined) return { leftOut: `no cuda_test in ${BUILD}` };
  return ['memcheck', 'racecheck'].map((tool) => ({
    argv: ['compute-sanitizer', '--tool', tool, '--error-exitcode', '1', program, 'small'],
    env: { PYTORCH_NO_CUDA_MEMORY_CACHING: '1' },
    most: 30,
  }));
}

/**
 * Launches before those that are profiled: loading, warm-up. Sections instead of metrics, since a metric that a chip lacks
 * is an error. Clocks are left alone: on a lent machine they are not ours.
 */
const PROFILES = { score: { skip: 300, count: 130 }, train: { skip: 1000, count: 400 } } as const;
export type Profile = keyof typeof PROFILES;
export const profileFile = (out: string, profile: Profile): string => join(out, `kernels-${profile}.csv`);

function profile(_: Host, out: string): ReturnType<Step['commands']> {
  const found = withAddon(...Object.keys(PROFILES).map((name) => ['scripts/gpu/profiled-run.ts', name]));
  if ('leftOut' in found) return found;
  const sections = ['SpeedOfLight', 'Occupancy', 'ComputeWorkloadAnalysis'].flatMap((name) => ['--section', name]);
  return found.map((command, i) => {
    const name = Object.keys(PROFILES)[i] as Profile;
    const { skip, count } = PROFILES[name];
    const which = ['--launch-skip', String(skip), '--launch-count', String(count)];
    const how = ['--clock-control', 'none', '--csv', '--page', 'raw', '--print-units', 'base'];
    const watch = ['ncu', ...how, ...sections, ...which, '--log-file', profileFile(out, name)];
    return { ...command, argv: [...watch, ...command.argv], most: 85 };
  });
}

/** In this order, unless others are named. */
export const STEPS = {
  build: { what: 'the addon and the native test of its CUDA kernels', seconds: 180, commands: build },
  parity: {
    what: 'kernels against their references, golden scores and gradients, training, tests of the device',
    seconds: 90,
    commands: parity,
  },
  sanitize: { what: 'compute-sanitizer (memcheck, racecheck) on the native test', seconds: 60, commands: sanitize },
  bench: {
    what: 'npm run bench -- --device cuda',
    seconds: 240,
    commands: () => withAddon(bench('suite', '--json')),
  },
  ranking: {
    what: 'npm run demo on the GPU: both stages trained, then npm run bench -- ranking --device cuda',
    seconds: 60,
    commands: () => withAddon(['scripts/demo/run.ts'], bench('ranking', '--json')),
  },
  train: {
    what: 'npm run bench -- train --device cuda, with its peer',
    seconds: 120,
    commands: ({ python }) => withAddon(bench('train', '--json', '--peer', python)),
  },
  peers: {
    what: 'npm run bench -- peers --device cuda',
    seconds: 240,
    commands: ({ python }) => withAddon(bench('peers', '--python', python, '--json', '-')),
  },
  profile: { what: 'Nsight Compute: the kernels that take longest', seconds: 175, commands: profile },
} as const satisfies Readonly<Record<string, Step>>;
export type StepName = keyof typeof STEPS;
