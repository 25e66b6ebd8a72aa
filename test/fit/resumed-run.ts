// usage: node --import tsx test/fit/resumed-run.ts FOLDER ROOT [last]
// A run with everything that is random and everything that has a state. Says on standard output where it begins and each
// step that is done, for the test that kills it.
import { join } from 'node:path';
import { DatasetRegistry } from '../../src/data/registry.js';
import { openTrainingRunDataset } from '../../src/data/training-run-dataset.js';
import { fit } from '../../src/fit/fit.js';
import { createLoss } from '../../src/loss/create-loss.js';
import { LinearLRSchedulerWithLinearWarmup } from '../../src/train/lr-schedules.js';

const STEPS = 200;
const CHECKPOINT_EVERY = 5;

const [folder = '', root = '', ckptPath] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const registry = new DatasetRegistry();
for (const name of ['train', 'dev']) {
  const file = (kind: string): string => join(folder, 'data', kind);
  registry.register(name, { docs: file('docs.tsv'), queries: file('queries.tsv'), qrels: file(`${name}.qrels`) });
}
await using dataset = await openTrainingRunDataset(
  {
    runPathOrId: join(folder, 'data/teacher.run'),
    dataset: 'train',
    sampleSize: 4,
    samplingStrategy: 'random',
    targets: 'rank',
    depth: 12,
  },
  { registry, seed: 11 },
);
await fit({
  model: join(folder, 'model'),
  train: { dataset, batchSize: 2 },
  validate: {
    datasets: [{ runPathOrId: join(folder, 'data/dev.run'), dataset: 'dev' }],
    metrics: ['nDCG@10'],
  },
  registry,
  losses: [createLoss('RankNet')],
  optimizer: { lr: 1e-3 },
  lrScheduler: new LinearLRSchedulerWithLinearWarmup({ numWarmupSteps: 10, numTrainingSteps: STEPS }),
  trainer: {
    maxSteps: STEPS,
    accumulateGradBatches: 2,
    gradientClipVal: 1,
    checkValEveryNEpoch: 2,
    threads: 2,
    tokenBudget: 64, // less than a batch: parts are computed twice
    defaultRootDir: root,
  },
  checkpoints: [{ everyNTrainSteps: CHECKPOINT_EVERY }],
  seed: 11,
  ...(ckptPath === undefined ? {} : { ckptPath }),
  onStart: ({ startStep }) => say(`start ${startStep}`),
  onStep: ({ step }) => say(`step ${step}`),
  onWarning: () => undefined,
});
say('done');
