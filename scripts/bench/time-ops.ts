import type { OpSeconds } from '../../binding.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { engineOptions } from './device.js';
import { measureThroughput } from './measure-throughput.js';
import { TRUNCATION } from './pairs.js';
import type { RowTask } from './row-measurement.js';

/** Of a run of its own: events between the kernels cost some of the speed that a row is measured for. */
const SECONDS = 1;

/** Time by kind of operation on a GPU, of a model like the row's that is watched. */
export async function timeOps({ folder, device, precision, workload }: RowTask): Promise<OpSeconds | undefined> {
  const options = { ...engineOptions(device, precision), timed: true, config: TRUNCATION };
  await using model = await CrossEncoder.load(folder, { ...options, onWarning: () => undefined });
  return (await measureThroughput(model, workload, SECONDS, device)).opSeconds;
}
