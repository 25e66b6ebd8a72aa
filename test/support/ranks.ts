import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { findTorchEngine } from '../../src/io/load-binding.js';
import { LOADER } from './programs.js';

/** Whether LibTorch's engine, which communicates, was built; without it a line says what is left out. */
export function hasRanks(): boolean {
  if (findTorchEngine() !== undefined) return true;
  console.log('left out: tests of several ranks, which need the engine for GPUs (node scripts/setup.mjs --torch)');
  return false;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

interface EndedRank {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Rank {
  child: ChildProcess;
  ended: Promise<EndedRank>;
}

export interface RankOptions {
  cwd?: string | undefined;
  /** Variables of a rank; default: torch's plain ones. */
  variables?: (rank: number, ranks: number, port: number) => Record<string, string>;
}

const plainVariables = (rank: number, ranks: number, port: number): Record<string, string> => ({
  RANK: String(rank),
  WORLD_SIZE: String(ranks),
  LOCAL_RANK: String(rank),
  LOCAL_WORLD_SIZE: String(ranks),
  MASTER_ADDR: '127.0.0.1',
  MASTER_PORT: String(port),
});

/** Starts a TypeScript program once per rank. */
export async function startRanks(
  ranks: number,
  program: readonly string[],
  options: RankOptions = {},
): Promise<Rank[]> {
  const port = await freePort();
  const variables = options.variables ?? plainVariables;
  return Array.from({ length: ranks }, (_, rank) => {
    const child = spawn(process.execPath, ['--import', LOADER, ...program], {
      cwd: options.cwd,
      env: { ...process.env, ...variables(rank, ranks, port) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const end: EndedRank = { code: null, signal: null, stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (end.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (end.stderr += chunk.toString()));
    const ended = once(child, 'close').then(([code, signal]) =>
      Object.assign(end, { code: code as number | null, signal: signal as NodeJS.Signals | null }),
    );
    return { child, ended };
  });
}

/** Runs a program once per rank to its end. */
export async function runRanks(
  ranks: number,
  program: readonly string[],
  options: RankOptions = {},
): Promise<EndedRank[]> {
  const started = await startRanks(ranks, program, options);
  return Promise.all(started.map(({ ended }) => ended));
}
