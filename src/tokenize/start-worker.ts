import { Worker } from 'node:worker_threads';
import type { WorkerStart } from './worker-messages.js';

/** Starts a thread with the program of tokenizer-worker.ts. */
export function startWorker(workerData: WorkerStart): Worker {
  return new Worker(program(), { workerData, name: 'rank-distillm tokenizer' });
}

function program(): URL {
  const url = new URL('./tokenizer-worker.js', import.meta.url);
  if (!import.meta.url.endsWith('.ts')) return url;
  // run from its sources by tsx, which leaves worker threads alone: this one calls it itself
  const code = [
    `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))};`,
    'register();',
    `await import(${JSON.stringify(url.href)});`,
  ];
  return new URL(`data:text/javascript,${encodeURIComponent(code.join('\n'))}`);
}
