import { Worker } from 'node:worker_threads';
import type { WorkerStart } from './worker-messages.js';

/** Starts a thread with the program of tokenizer-worker.ts. */
export function startWorker(workerData: WorkerStart): Worker {
  // a data: URL, since a thread inherits --input-type from `node --input-type=module -e`, which refuses files
  const url = new URL(`data:text/javascript,${encodeURIComponent(program())}`);
  return new Worker(url, { workerData, name: 'rank-distillm tokenizer' });
}

function program(): string {
  const start = `await import(${JSON.stringify(new URL('./tokenizer-worker.js', import.meta.url).href)});`;
  if (!import.meta.url.endsWith('.ts')) return start;
  // run from the sources by tsx, which does not reach into threads by itself
  return `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}; register(); ${start}`;
}
