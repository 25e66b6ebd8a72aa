import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { loadKind, OUTCOMES, type Failure, type Outcome, type Told } from './kind.js';

/** How often a child's memory and its time for a try are looked at. A process's last peak before its end is missed. */
const LOOK_MS = 25;
const LOADER = new URL('../lib/load-typescript.mjs', import.meta.url).href;
const WORKER = new URL('worker.ts', import.meta.url).pathname;

export interface AttackOptions {
  seed: number;
  /** Number of tries, or the kind's own number of the full or short form. */
  tries: number | 'full' | 'short';
  /** The first try; others before it are left out. Default 0. */
  from?: number;
  /** An installed package to attack instead of the sources. */
  packageFolder?: string;
  /** Child processes at once. Default: the number of cores. */
  children?: number;
}

export interface Report {
  name: string;
  tries: number;
  outcomes: Record<Outcome, number>;
  /** Everything that broke a promise, with the index that repeats it. */
  failures: Failure[];
  /** Tries that were run again alone, for their group broke. */
  again: number;
  /**
   * The most that a process held, in MiB: a child that ran several tries at a time or one, and, for kinds with `apart`, what
   * they started.
   */
  peaks: Peaks;
  seconds: number;
}

type Peaks = Record<'together' | 'alone' | 'apart', number>;

/** Empty when the process has ended. */
function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return '';
  }
}

/** The most resident memory that a process ever held, in MiB; 0 when it has ended. */
function peakMegabytes(pid: number | string): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readProc(`${pid}/status`))?.[1] ?? 0) / 1024;
}

/** Processes that the main thread of one has started. */
function startedBy(pid: number): string[] {
  return readProc(`${pid}/task/${pid}/children`).split(' ').filter(Boolean);
}

function killIfThere(pid: string): void {
  try {
    process.kill(Number(pid), 'SIGKILL');
  } catch {
    // it has ended
  }
}

/** How much longer than on an idle machine a try may take: this machine has so many times as much to do as it can. */
function slowness(): number {
  return Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
}

/**
 * Runs a kind of attack in child processes. A child that dies, hangs or takes too much memory counts as one try, and
 * another one goes on behind it. A group of tries that does so (see `together`) though none of them does alone is a failure
 * beside the tries, unless their work belongs into a process of its own (see `apart`).
 *
 * @param module the kind's module as a URL, see `loadKind`
 */
export async function attack(module: string, options: AttackOptions): Promise<Report> {
  const kind = await loadKind(module);
  const from = options.from ?? 0;
  const to = from + (typeof options.tries === 'number' ? options.tries : kind.tries[options.tries]);
  const step = Math.min(options.children ?? availableParallelism(), to - from);
  const start = performance.now();
  const report: Report = {
    name: kind.name,
    tries: 0,
    outcomes: Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Report['outcomes'],
    failures: [],
    again: 0,
    peaks: { together: 0, alone: 0, apart: 0 },
    seconds: 0,
  };
  const count = (outcome: Outcome, times: number): void => {
    report.tries += times;
    report.outcomes[outcome] += times;
  };
  const fail = (failure: Failure): void => {
    count(failure.outcome, 1);
    report.failures.push(failure);
  };
  await Promise.all(Array.from({ length: step }, (_, lane) => runLane(from + lane)));
  report.seconds = (performance.now() - start) / 1000;
  return report;

  /** Every step-th try from `next` on. */
  async function runLane(next: number): Promise<void> {
    let aloneUntil = next; // tries before this one are run one by one
    let brokenGroup: Failure | undefined; // as long as none of its tries breaks alone
    for (;;) {
      if (brokenGroup && next >= aloneUntil) {
        report.outcomes[brokenGroup.outcome] += 1;
        report.failures.push(brokenGroup);
        brokenGroup = undefined;
      }
      if (next >= to) return;
      const isAgain = next < aloneUntil;
      const together = isAgain ? 1 : (kind.together ?? 1);
      const until = isAgain ? aloneUntil : to;
      const argv = [module, options.seed, next, until, step, together, options.packageFolder ?? ''].map(String);
      const child = fork(WORKER, argv, { execArgv: ['--import', LOADER], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
      const end = await watch(child, together > 1, ({ worked, refused, failures }) => {
        count('worked', worked);
        count('refused', refused);
        failures.forEach(fail);
        const tries = worked + refused + failures.length;
        if (isAgain) report.again += tries;
        next += step * tries;
      });
      if (next >= until) continue;
      if (!end.isReady && end.outcome === 'died') throw new Error(`${kind.name}: ${end.message}`);
      if (together > 1) {
        aloneUntil = Math.min(next + step * together, to);
        const message = `${together} tries from here on, but none of them alone: ${end.message}`;
        brokenGroup = kind.apart ? undefined : { index: next, outcome: end.outcome, message };
        continue;
      }
      brokenGroup = undefined;
      if (isAgain) report.again += 1;
      fail({ index: next, outcome: end.outcome, message: end.message });
      next += step;
    }
  }

  function watch(
    child: ChildProcess,
    isTogether: boolean,
    hear: (told: Exclude<Told, { ready: true }>) => void,
  ): Promise<{ outcome: Outcome; message: string; isReady: boolean }> {
    return new Promise((resolve, reject) => {
      let last = performance.now();
      let isReady = false;
      let cause: { outcome: Outcome; message: string } | undefined;
      let stderr = '';
      const give = (outcome: Outcome, message: string): void => {
        cause ??= { outcome, message };
        const started = kind.apart ? startedBy(child.pid!) : [];
        child.kill('SIGKILL');
        started.forEach(killIfThere);
      };
      const look = (which: keyof Peaks, pid: number | string, atMost: number): void => {
        const megabytes = peakMegabytes(pid);
        report.peaks[which] = Math.max(report.peaks[which], megabytes);
        if (megabytes > atMost) give('memory', `${which}, a process held ${Math.round(megabytes)} MiB`);
      };
      const timer = setInterval(() => {
        const seconds = (performance.now() - last) / 1000;
        // at first the package is loaded and the kind opened
        const limit = (kind.seconds ?? 10) + (isReady ? 0 : 20);
        if (seconds > limit * slowness()) give('hung', `no answer for ${Math.round(seconds)} s`);
        const atMost = (isTogether ? kind.apart?.together : undefined) ?? kind.megabytes ?? 1024;
        look(isTogether ? 'together' : 'alone', child.pid!, atMost);
        if (kind.apart) for (const pid of startedBy(child.pid!)) look('apart', pid, kind.apart.megabytes);
      }, LOOK_MS);
      child.stderr!.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-2000)));
      child.on('message', (told: Told) => {
        last = performance.now();
        if ('ready' in told) isReady = true;
        else hear(told);
      });
      child.on('error', reject);
      child.on('close', (code, signal) => {
        clearInterval(timer);
        const message = `${signal ?? `exit code ${code}`} ${stderr.trim()}`;
        resolve({ isReady, ...(cause ?? { outcome: 'died', message }) });
      });
    });
  }
}
