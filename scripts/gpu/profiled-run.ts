// What Nsight Compute watches: ELECTRA-base scores thousands of pairs on a GPU, or is trained for some steps.
// usage: tsx scripts/gpu/profiled-run.ts score|train
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { engineOptions } from '../bench/host.js';
import { randomModel } from '../bench/models.js';
import { dl20Pairs, TRUNCATION } from '../bench/pairs.js';
import { measureTraining } from '../bench/row.js';

const PRECISION = 'bf16-mixed';
const PAIRS = 5400;
/** The first steps are passed over; profiling ends the time of the rest. */
const STEPS = 8;

const folder = await randomModel('electra-base');
if (process.argv[2] === 'train') {
  const task = { folder, device: 'cuda', precision: PRECISION, seconds: 0, steps: STEPS } as const;
  await measureTraining({ ...task, workload: 'train-2x16' }, 2, 16);
} else {
  const options = { ...engineOptions('cuda', PRECISION), config: TRUNCATION, onWarning: () => undefined };
  await using model = await CrossEncoder.load(folder, options);
  await model.score(await dl20Pairs(PAIRS));
}
