import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { RankDistillmError, throwIfAborted, type ErrorCode } from '../errors.js';
import { onAbort } from '../io/on-abort.js';
import { ScatteredTopics } from './topic-lines.js';

/** Heap of the process. V8 ends a process that needs more, so this must not be our own process. */
const HEAP_MIB = 640;
/** Of V8's young generation, which holds a window of decoded rows: a third less time for the whole. */
const SEMI_SPACE_MIB = 32;
/** The process is killed beyond this: buffers are not in the heap. */
export const MOST_RESIDENT_MIB = 900;
/** CPU time until the next records, and more for each byte of the file. A good file takes a tenth. */
const MOST_SECONDS = 5;
const LEAST_BYTES_PER_SECOND = 2 * 2 ** 20;
const LOOK_EVERY_MS = 25;
/** Clock ticks in /proc, which Linux fixes (proc(5), sysconf(3)). */
const TICKS_PER_SECOND = 100;
const MOST_STDERR_CHARACTERS = 100_000;

/** Exit code for topics that are not contiguous. */
export const SCATTERED = 4;
/** What the process writes to stderr before it exits with this code. */
export const REFUSED = 3;
export interface Refusal {
  code: ErrorCode;
  message: string;
  hint: string | undefined;
}

const PROGRAM = new URL('./record-process-main.js', import.meta.url).href;

/**
 * The records of a Parquet or JSON run as JSON lines, or its topics as `topicLines` writes them, decoded by a process
 * of its own: a few bytes of Parquet can stand for billions of values, and a parser that runs out of memory takes its
 * process with it. So the event loop is free, too, and an abort counts at once. The process ends when its stdin does.
 */
export async function* recordLines(
  path: string,
  format: 'json' | 'parquet',
  signal?: AbortSignal,
  what: 'records' | 'topics' = 'records',
): AsyncGenerator<Buffer> {
  throwIfAborted(signal);
  const { size } = await stat(path);
  const flags = [`--max-old-space-size=${HEAP_MIB}`, `--max-semi-space-size=${SEMI_SPACE_MIB}`];
  const child = spawn(process.execPath, [...flags, ...programArguments(), what, path, format], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const unsubscribe = signal && onAbort(signal, kill);
  const watch = new Watch(child, MOST_SECONDS + size / LEAST_BYTES_PER_SECOND);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text.slice(0, MOST_STDERR_CHARACTERS)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  ended.catch(() => undefined);
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      watch.progress();
      yield chunk;
    }
    const code = await ended;
    throwIfAborted(signal);
    if (code === SCATTERED) throw new ScatteredTopics();
    if (code !== 0) throw failure(path, format, code, watch.reason, stderr);
  } finally {
    watch.stop();
    unsubscribe?.();
    process.off('exit', kill);
    kill();
  }
}

/** Under tsx, which does not register itself in other processes, the program is TypeScript. */
function programArguments(): string[] {
  if (!import.meta.url.endsWith('.ts')) return [new URL(PROGRAM).pathname];
  const register = `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}; register();`;
  return ['--input-type=module', '-e', `${register} await import(${JSON.stringify(PROGRAM)});`, '--', 'record-process'];
}

/** Kills a process that takes too much memory, or too much CPU time without giving anything. */
class Watch {
  reason: string | undefined;
  #start = 0;
  readonly #child: ChildProcess;
  readonly #timer: NodeJS.Timeout;

  constructor(child: ChildProcess, seconds: number) {
    this.#child = child;
    this.#timer = setInterval(() => {
      if (this.#residentMiB() > MOST_RESIDENT_MIB) this.#end('it needs too much memory');
      else if (this.#seconds() - this.#start > seconds) this.#end('it takes too long');
    }, LOOK_EVERY_MS);
  }

  progress(): void {
    this.#start = this.#seconds();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #end(reason: string): void {
    this.reason ??= reason;
    this.#child.kill('SIGKILL');
  }

  #residentMiB(): number {
    // in KiB; the size of /proc/PID/statm's pages depends on the kernel
    return Number(/^VmRSS:\s*(\d+)/m.exec(this.#read('status'))?.[1] ?? 0) / 1024;
  }

  #seconds(): number {
    const text = this.#read('stat');
    // the second field is the program's name in parentheses, which may contain anything; 14 and 15 are the times
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
  }

  #read(name: string): string {
    try {
      return readFileSync(`/proc/${this.#child.pid}/${name}`, 'latin1');
    } catch {
      return ''; // it has ended
    }
  }
}

function failure(
  path: string,
  format: string,
  code: number | null,
  reason: string | undefined,
  stderr: string,
): RankDistillmError {
  if (code === REFUSED) {
    const { code: kind, message, hint } = JSON.parse(stderr) as Refusal;
    return new RankDistillmError(kind, message, hint === undefined ? {} : { hint });
  }
  const outOfMemory = /heap|memory|allocation/i.test(stderr) ? 'it needs too much memory' : undefined;
  const why = reason ?? outOfMemory ?? (stderr.trim().split('\n')[0] || 'its reader was killed');
  return new RankDistillmError('bad_input', `${path}: cannot read the ${format} run: ${why}`, {
    hint: 'The file may be damaged; write it again, or as .jsonl (one object a line).',
  });
}
