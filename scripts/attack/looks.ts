// What a long-running process holds, looked at with nothing under way, and whether it stays that.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { SetupError } from '../lib/say.mjs';

export interface Look {
  anonymousMiB: number;
  /** What the descriptors lead to, sorted. */
  files: string[];
  descriptors: number;
  /** Descriptors of files that only ended threads had open, see `isLost`. */
  lost: number;
  threads: number;
}

/**
 * After a garbage collection, so Node.js needs --expose-gc; see the flags of `npm run soak`.
 *
 * @param isLost files whose descriptors are counted apart
 */
export async function lookAtSelf(isLost: (file: string) => boolean = () => false): Promise<Look> {
  if (globalThis.gc === undefined) throw new SetupError('node runs without --expose-gc', 'npm run soak sets it.');
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await wait(50); // finalizers and ends of threads
  }
  const files = readdirSync('/proc/self/fd').map((name) => readlinkIfOpen(`/proc/self/fd/${name}`));
  const kept = files.filter((file) => !isLost(file)).sort();
  const rollup = readFileSync('/proc/self/smaps_rollup', 'utf8');
  return {
    anonymousMiB: Number(/^Anonymous:\s+(\d+) kB$/m.exec(rollup)?.[1]) / 1024,
    files: kept,
    descriptors: kept.length,
    lost: files.length - kept.length,
    threads: readdirSync('/proc/self/task').length,
  };
}

/** One of the descriptors is that of the listing itself. */
function readlinkIfOpen(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/**
 * What was not as it should be, in words. The first third of the looks is for what has to settle.
 *
 * @param growth percent by which memory may differ between the second third and the last; 0: by any
 * @param constant further numbers that must not change
 */
export function findings<T extends Look>(
  looks: readonly T[],
  growth: number,
  constant: readonly (keyof T)[] = [],
): string[] {
  const third = Math.floor(looks.length / 3);
  const settled = looks.slice(third);
  const found: string[] = [];
  for (const key of ['descriptors', 'threads', ...constant] as const) {
    const values = new Set(settled.map((look) => look[key]));
    if (values.size > 1) found.push(`${String(key)} vary: ${[...values].join(', ')}`);
  }
  const before = new Set(settled[0]?.files);
  const opened = new Set(settled.flatMap(({ files }) => files).filter((file) => /^\//.test(file) && !before.has(file)));
  if (opened.size > 0) found.push(`files left open: ${[...opened].join(', ')}`);
  const [start, end] = [looks.slice(third, 2 * third), looks.slice(-third)].map((part) =>
    median(part.map(({ anonymousMiB }) => anonymousMiB)),
  ) as [number, number];
  const percent = (100 * (end - start)) / start;
  const change = `anonymous memory: ${start.toFixed(1)} MiB, then ${end.toFixed(1)} MiB (${percent.toFixed(2)} %)`;
  console.log(change);
  if (growth > 0 && Math.abs(percent) > growth) found.push(change);
  return found;
}

/** A line of progress. */
export function tellLook(
  { anonymousMiB, descriptors, lost, threads }: Look,
  number: number,
  count: number,
  more = '',
): void {
  const files = `${descriptors} file descriptors${lost > 0 ? ` and ${lost} that Node.js lost` : ''}`;
  const facts = [`${anonymousMiB.toFixed(1)} MiB`, files, `${threads} threads`, ...(more === '' ? [] : [more])];
  console.error(`look ${number} of ${count}: ${facts.join(', ')}`);
}

/** Prints what was found, and fails for it. */
export function judge(found: readonly string[]): void {
  for (const finding of found) console.error(`found: ${finding}`);
  if (found.length > 0) process.exitCode = 1;
}
