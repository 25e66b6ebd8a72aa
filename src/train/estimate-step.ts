import type { TrainingDataset } from '../data/training-dataset.js';
import { packByLength } from '../engine/pack-by-length.js';
import type { Trainer } from './trainer.js';

/** Enough to measure the speed of the matrix products, and quick to compute. */
const TOKENS = 512;
/** A backward pass does about twice the work of a forward pass. */
const FORWARDS_PER_PASS = 3;

/**
 * Estimates the seconds of an optimizer step: scores a few pairs once to warm up and once to measure.
 *
 * @param samplesPerStep samples per batch times accumulated batches
 * @returns undefined when the dataset is empty
 */
export async function estimateSecondsPerStep(
  trainer: Trainer,
  dataset: TrainingDataset,
  samplesPerStep: number,
): Promise<number | undefined> {
  for await (const sample of dataset.epoch({ epoch: 0, shuffle: false })) {
    const { pairs } = await trainer.encode([sample]);
    const tokens = pairs.reduce((sum, pair) => sum + pair.inputIds.length, 0);
    let counted = 0;
    const few = pairs.filter((pair) => (counted += pair.inputIds.length) <= TOKENS);
    const { batch } = packByLength(few.length > 0 ? few : pairs.slice(0, 1));
    const { native } = trainer.model;
    await native.score(batch);
    const { seconds } = await native.score(batch);
    const stepTokens = tokens * samplesPerStep;
    const forwards = FORWARDS_PER_PASS + (stepTokens > trainer.tokenBudget ? 1 : 0);
    return (seconds / batch.inputIds.length) * stepTokens * forwards;
  }
  return undefined;
}
