// Fits as one of the ranks that the variables tell of, or alone, and prints the samples of each batch that was trained on.
import { fit } from '../../src/fit/fit.js';
import type { Loss } from '../../src/loss/loss.js';
import { rankEnvironment } from '../../src/ranks/environment.js';
import { RankGroup } from '../../src/ranks/rank-group.js';
import { modelFolder } from '../support/models.js';
import { datasetOf } from '../support/training-samples.js';

/** Of a test: samples of an epoch, and what `fit` takes. */
export interface FitJob {
  root: string;
  samples: number;
  batchSize: number;
  accumulate: number;
  steps: number;
}

/** Each loss sees the scores of the whole batch; the first target of a sample is its number. */
function recording(batches: number[][]): Loss {
  return {
    name: 'Recording',
    compute({ queries, docs, values }, targets) {
      batches.push(Array.from({ length: queries }, (_, q) => targets.values[q * docs]!));
      return { value: 0, gradient: values.map((score) => 0.01 * score) };
    },
  };
}

const job = JSON.parse(process.argv[2]!) as FitJob;
const environment = rankEnvironment(process.env);
await using group = environment && (await RankGroup.join(environment));
const batches: number[][] = [];
await fit({
  model: modelFolder(),
  train: {
    dataset: datasetOf(
      Array.from({ length: job.samples }, (_, i) => ({
        queryId: `q${i}`,
        query: `number ${i}`,
        docIds: ['a', 'b'],
        docs: [`one of ${i}`, `two of ${i}`],
        targets: [i, 0],
      })),
    ),
    batchSize: job.batchSize,
    shuffle: false,
  },
  losses: [recording(batches)],
  optimizer: { lr: 1e-4 },
  ckptPath: 'last',
  trainer: {
    maxSteps: job.steps,
    accumulateGradBatches: job.accumulate,
    defaultRootDir: job.root,
    threads: 1,
    device: 'cpu',
  },
  onWarning: () => undefined,
  group,
});
console.log(JSON.stringify(batches));
