import type { TrainableModel } from '../../src/engine/trainable-model.js';
import type { Loss } from '../../src/loss/loss.js';
import type { RankGroup } from '../../src/ranks/rank-group.js';
import { Trainer } from '../../src/train/trainer.js';
import { trainingBatches } from '../../src/train/training-batches.js';
import { norm } from '../support/tolerances.js';
import { datasetOf, goldenRuns } from '../support/training-samples.js';

export interface TrainJob {
  model: string;
  /** golden/training.json */
  golden: string;
  loss: string;
  /** Samples of a step on all ranks. */
  batchSize: number;
  steps: number;
}

export interface Trained {
  /** After the first backward, the sum over all ranks. */
  gradient: Float32Array;
  /** Norms of what ranks contribute to it. */
  parts: number[];
  /** Parameters at the end. */
  values: Float32Array;
  steps: { loss: number; norm: number }[];
}

/** Some steps on the golden texts, with clipping; epochs in the order of the file. */
export async function trainGolden(
  model: TrainableModel,
  loss: Loss,
  { golden, batchSize, steps: count, ...job }: TrainJob,
  group?: RankGroup,
): Promise<Trained> {
  const { samples, lr } = goldenRuns(golden).find((run) => run.loss === job.loss)!;
  const dataset = datasetOf(samples);
  const trainer = new Trainer(model, { losses: [loss], optimizer: { lr }, gradientClipVal: 0.5, group });
  const steps: Trained['steps'] = [];
  let gradient: Float32Array = new Float32Array();
  let parts: number[] = [];
  for (let epoch = 0; steps.length < count; epoch++) {
    const until = Math.ceil(samples.length / batchSize);
    const share = group && { index: group.rank, of: group.ranks };
    const batches = trainingBatches({ dataset, trainer, batchSize, shuffle: false, epoch, from: 0, until, share });
    for await (const batch of batches) {
      if (steps.length === count) break;
      const isFirst = steps.length === 0; // of which the gradients are looked at before they are summed
      const { loss: value } = await trainer.backward(batch, 1, !isFirst);
      if (isFirst) {
        gradient = await model.native.read('gradients', 0, model.native.size);
        parts = (await group?.gather(norm(gradient))) ?? [norm(gradient)];
        if (group) await group.sum(gradient);
      }
      const { gradientNorm } = await trainer.update();
      steps.push({ loss: value, norm: gradientNorm });
    }
  }
  return { gradient, parts, values: await model.native.read('values', 0, model.native.size), steps };
}
