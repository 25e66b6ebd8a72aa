import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import type { ComputePrecision } from '../../binding.js';
import { engineOptions, type Device } from './device.js';
import { randomModel } from './random-model.js';
import { PRECISIONS, type PrecisionName } from './rows.js';

/** What is worth a row: where bf16-mixed is computed in int16, the row of int8 says how fast that is. */
const COMPUTED: Record<PrecisionName, readonly ComputePrecision[]> = {
  '32-true': ['float32'],
  tf32: ['float32'],
  'bf16-mixed': ['bfloat16'],
  'bf16-true': ['bfloat16'],
  int8: ['int8', 'int16'],
};

/** A row's name for its precision: int8 is not the same everywhere. */
export const precisionLabel = (asked: string, computed: ComputePrecision): string =>
  computed === 'int16' ? `${asked} (int16)` : asked;

/** What a tiny model is computed in when it is asked for each precision, or why a precision is left out. */
export async function nativePrecisions(
  device: Device,
  threads: number | undefined,
): Promise<Map<PrecisionName, ComputePrecision | { leftOut: string }>> {
  const folder = await randomModel('tiny');
  const found = new Map<PrecisionName, ComputePrecision | { leftOut: string }>();
  for (const precision of PRECISIONS[device]) {
    const wanted = COMPUTED[precision];
    try {
      await using model = await CrossEncoder.load(folder, {
        ...engineOptions(device, precision),
        threads,
        onWarning: () => undefined,
      });
      const computed: ComputePrecision = model.precision;
      const isWanted = wanted.includes(computed);
      found.set(precision, isWanted ? computed : { leftOut: `this machine computes it in ${computed}` });
    } catch (error) {
      found.set(precision, { leftOut: (error as Error).message });
    }
  }
  return found;
}
