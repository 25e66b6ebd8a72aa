import { Worker } from 'node:worker_threads';
import { RankDistillmError, type ErrorCode } from '../errors.js';

/** A RankDistillmError on its way between threads: structured cloning would leave no more of it than the message. */
export interface SentError {
  code: ErrorCode;
  message: string;
  hint: string | undefined;
  cause: unknown;
}

/**
 * Starts a thread that runs a module of this package.
 *
 * @param module its address, with the suffix that imports have: `new URL('./x.js', import.meta.url).href`
 */
export function startThread(module: string, name: string, workerData: unknown): Worker {
  // a data: URL, since a thread inherits --input-type from `node --input-type=module -e`, which refuses files
  const url = new URL(`data:text/javascript,${encodeURIComponent(program(module))}`);
  return new Worker(url, { workerData, name });
}

function program(module: string): string {
  const start = `await import(${JSON.stringify(module)});`;
  if (!import.meta.url.endsWith('.ts')) return start;
  // run from the sources by tsx, which does not reach into threads by itself
  return `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}; register(); ${start}`;
}

export function sentError({ code, message, hint, cause }: RankDistillmError): SentError {
  return { code, message, hint, cause };
}

export function receivedError({ code, message, hint, cause }: SentError): RankDistillmError {
  return new RankDistillmError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}
