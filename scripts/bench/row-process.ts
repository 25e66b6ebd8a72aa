import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { RowMeasurement, RowTask } from './row-measurement.js';

/** Measures a row in a process of its own: what earlier rows left behind would count as its memory and load time. */
export async function measureInProcess(task: RowTask): Promise<RowMeasurement> {
  const script = fileURLToPath(new URL('measure-row.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (child.exitCode !== 0) throw new Error(`its process ended with ${child.exitCode ?? child.signalCode}`);
  return JSON.parse(output) as RowMeasurement;
}
