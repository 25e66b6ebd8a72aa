import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { onAbort } from '../io/on-abort.js';
import { rankLabel, rankVariables } from '../ranks/environment.js';
import { note, type CliIo } from './cli-io.js';

/** How many processes to start, of how many. */
export interface Launch {
  /** Ranks of this host. */
  localRanks: number;
  /** Number of this host. */
  node: number;
  nodes: number;
}

/** Ranks end together, or tell of the one that failed, by then; what is left does not answer. */
const GRACE_MS = 10_000;
/** Of the output of a rank that is not shown unless rank 0 cannot. */
const KEPT_CHARACTERS = 16_384;

const MAIN = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url));

/** A rank that ended. */
interface Ended {
  label: string;
  /** As a shell gives it: 128 and the number of a signal. */
  code: number;
}

/**
 * Runs the command line once for each rank, with the variables that torchrun sets. Rank 0 writes to our output. When one
 * has ended, the others have some seconds to end or to say that it failed, and are then killed. Signals are passed on.
 *
 * @returns the exit code: that of the first rank that failed
 */
export async function launchRanks(argv: readonly string[], launch: Launch, io: CliIo): Promise<number> {
  const { localRanks, node, nodes } = launch;
  const host = io.env['MASTER_ADDR'] ?? '127.0.0.1';
  const port = io.env['MASTER_PORT'] ?? (await freePort());
  const texts = new Map<number, string>();
  const start = (localRank: number): ChildProcess => {
    const rank = node * localRanks + localRank;
    const isShown = localRank === 0;
    const child = spawn(process.execPath, [...process.execArgv, MAIN, ...argv], {
      env: { ...io.env, ...rankVariables({ rank, ranks: localRanks * nodes, localRank, localRanks, host, port }) },
      // through the channel a rank hears of our end; in its own group Ctrl-C reaches it once, through us
      stdio: ['ignore', isShown ? streamOf(io.stdout) : 'ignore', isShown ? streamOf(io.stderr) : 'pipe', 'ipc'],
      detached: true,
    });
    if (isShown) {
      child.stdout?.pipe(io.stdout, { end: false });
      child.stderr?.pipe(io.stderr, { end: false });
    } else {
      child.stderr?.on('data', (chunk: Buffer) => {
        texts.set(localRank, ((texts.get(localRank) ?? '') + chunk.toString('utf8')).slice(-KEPT_CHARACTERS));
      });
    }
    return child;
  };
  const children = Array.from({ length: localRanks }, (_, localRank) => start(localRank));
  const killAll = (signal: NodeJS.Signals): void => {
    for (const child of children) if (isRunning(child)) child.kill(signal);
  };
  const atExit = (): void => killAll('SIGKILL');
  process.once('exit', atExit);
  const stopHearing = onAbort(io.signal, () => killAll('SIGTERM'));
  let first: Ended | undefined;
  let grace: NodeJS.Timeout | undefined;
  const ends = children.map(async (child, localRank) => {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    const label = rankLabel(node * localRanks + localRank, child.pid);
    const ended: Ended = { label, code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) };
    if (ended.code !== 0) first ??= ended;
    grace ??= setTimeout(() => killAll('SIGKILL'), GRACE_MS);
    return ended;
  });
  const ended = await Promise.all(ends);
  clearTimeout(grace);
  stopHearing();
  process.off('exit', atExit);
  const shown = ended[0]!.code;
  const said = shown === 130 || (shown > 0 && shown <= 128);
  // the rank that is shown was killed, or had done its work before; if nobody had met yet, no other has said why either
  if (first !== undefined && !said) {
    const spoken = [...texts.entries()].sort(([a], [b]) => a - b).find(([, text]) => text.includes('error: '));
    if (spoken !== undefined) io.stderr.write(spoken[1]);
    else note(io, `error: ${first.label} ended with exit code ${first.code}`);
  }
  return first?.code ?? 0;
}

function streamOf(stream: CliIo['stdout']): 'inherit' | 'pipe' {
  return stream === process.stdout || stream === process.stderr ? 'inherit' : 'pipe';
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

/** A TCP port of loopback that nothing listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
