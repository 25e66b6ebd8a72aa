import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../../src/cli/launch.js';
import { findTorchEngine } from '../../src/io/load-binding.js';
import { rankVariables } from '../../src/ranks/environment.js';
import { PROGRAM } from './programs.js';

/** Whether LibTorch's engine, which communicates, was built; without it a line says what is left out. */
export function hasRanks(): boolean {
  if (findTorchEngine() !== undefined) return true;
  console.log('left out: tests of several ranks, which need the engine for GPUs (node scripts/setup.mjs --torch)');
  return false;
}

interface EndedRank {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Rank {
  child: ChildProcess;
  /** What it has written so far. */
  output: Readonly<Pick<EndedRank, 'stdout' | 'stderr'>>;
  ended: Promise<EndedRank>;
}

export interface RankOptions {
  cwd?: string | undefined;
  /** Variables of a rank; default: torch's plain ones. */
  variables?: (rank: number, ranks: number, port: number) => Record<string, string>;
  /** The program; default: `rank-distillm`. */
  command?: readonly string[] | ((rank: number) => readonly string[]);
}

export const plainVariables = (rank: number, ranks: number, port: number): Record<string, string> =>
  rankVariables({ rank, ranks, localRank: rank, localRanks: ranks, host: '127.0.0.1', port });

/** Starts a program and keeps what it writes. */
export function startProgram(argv: readonly string[], cwd: string | undefined, env: Record<string, string> = {}): Rank {
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const end: EndedRank = { code: null, signal: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (end.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (end.stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code, signal]) =>
    Object.assign(end, { code: code as number | null, signal: signal as NodeJS.Signals | null }),
  );
  return { child, output: end, ended };
}

/** Starts a program with these arguments once per rank. */
export async function startRanks(ranks: number, argv: readonly string[], options: RankOptions = {}): Promise<Rank[]> {
  const port = await freePort();
  const { variables = plainVariables, command = PROGRAM } = options;
  return Array.from({ length: ranks }, (_, rank) => {
    const before = typeof command === 'function' ? command(rank) : command;
    return startProgram([...before, ...argv], options.cwd, variables(rank, ranks, port));
  });
}

/** Runs a program with these arguments once per rank to its end. */
export async function runRanks(
  ranks: number,
  argv: readonly string[],
  options: RankOptions = {},
): Promise<EndedRank[]> {
  const started = await startRanks(ranks, argv, options);
  return Promise.all(started.map(({ ended }) => ended));
}
