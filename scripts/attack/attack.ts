import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { OUTCOMES, type Kind, type Outcome, type Told } from './kind.js';

/** How often a child's memory and its time for a try are looked at. */
const LOOK_MS = 250;
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
  failures: Told[];
  seconds: number;
}

/** Resident memory of a process in MiB; 0 when it has ended. */
function residentMegabytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** How much longer than on an idle machine a try may take: this machine has so many times as much to do as it can. */
function slowness(): number {
  return Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
}

/**
 * Runs a kind of attack in child processes. A child that dies, hangs or takes too much memory counts as one try, and
 * another one goes on behind it.
 *
 * @param module the kind's module as a URL; it exports `kind`
 */
export async function attack(module: string, options: AttackOptions): Promise<Report> {
  const { kind } = (await import(module)) as { kind: Kind };
  const from = options.from ?? 0;
  const to = from + (typeof options.tries === 'number' ? options.tries : kind.tries[options.tries]);
  const step = Math.min(options.children ?? availableParallelism(), to - from);
  const start = performance.now();
  const report: Report = {
    name: kind.name,
    tries: 0,
    outcomes: Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Report['outcomes'],
    failures: [],
    seconds: 0,
  };
  const count = (told: Told): void => {
    report.tries += 1;
    report.outcomes[told.outcome] += 1;
    if (told.outcome !== 'worked' && told.outcome !== 'refused') report.failures.push(told);
  };
  await Promise.all(Array.from({ length: step }, (_, lane) => runLane(from + lane)));
  report.seconds = (performance.now() - start) / 1000;
  return report;

  /** Every step-th try from `next` on. */
  async function runLane(next: number): Promise<void> {
    while (next < to) {
      const before = next;
      const argv = [module, options.seed, next, to, step, options.packageFolder ?? ''].map(String);
      const child = fork(WORKER, argv, { execArgv: ['--import', LOADER], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
      const end = await watch(child, (told) => {
        count(told);
        next = told.index + step;
      });
      if (next >= to) return;
      if (end.outcome === 'died' && next === before && end.isEarly) throw new Error(`${kind.name}: ${end.message}`);
      count({ index: next, outcome: end.outcome, message: end.message });
      next += step;
    }
  }

  function watch(
    child: ChildProcess,
    hear: (told: Told) => void,
  ): Promise<{ outcome: Outcome; message: string; isEarly: boolean }> {
    return new Promise((resolve, reject) => {
      let last = performance.now();
      let isEarly = true;
      let cause: { outcome: Outcome; message: string } | undefined;
      let stderr = '';
      const give = (outcome: Outcome, message: string): void => {
        cause ??= { outcome, message };
        child.kill('SIGKILL');
      };
      const timer = setInterval(() => {
        const seconds = (performance.now() - last) / 1000;
        const megabytes = residentMegabytes(child.pid!);
        // the first message also waits for the package to load
        const limit = (kind.seconds ?? 10) + (isEarly ? 20 : 0);
        if (seconds > limit * slowness()) give('hung', `no answer for ${Math.round(seconds)} s`);
        if (megabytes > (kind.megabytes ?? 1024)) give('memory', `holds ${Math.round(megabytes)} MiB`);
      }, LOOK_MS);
      child.stderr!.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-2000)));
      child.on('message', (told: Told) => {
        last = performance.now();
        isEarly = false;
        hear(told);
      });
      child.on('error', reject);
      child.on('close', (code, signal) => {
        clearInterval(timer);
        const message = `${signal ?? `exit code ${code}`} ${stderr.trim()}`;
        resolve({ isEarly, ...(cause ?? { outcome: 'died', message }) });
      });
    });
  }
}
