import type { TrainingDataset } from '../data/training-dataset.js';
import { packByLength } from '../engine/pack-by-length.js';
import type { Trainer } from './trainer.js';

/** Enough for the products' rate, few enough to take no more than a moment. */
const TOKENS = 512;
/** A forward and a backward of twice its work. */
const FORWARDS_PER_PASS = 3;

/**
 * Seconds an optimizer step will take, about: the first samples are scored once to touch all memory and once by the clock.
 *
 * @param samplesPerStep samples of a batch times accumulated batches
 * @returns undefined when the dataset gives nothing
 */
export async function estimateSecondsPerStep(
  trainer: Trainer,
  dataset: TrainingDataset,
  samplesPerStep: number,
): Promise<number | undefined> {
  for await (const sample of dataset.epoch({ epoch: 0, shuffle: false })) {
    const { pairs } = await trainer.encode([sample]);
    const tokens = pairs.reduce((sum, pair) => sum + pair.inputIds.length, 0);
    let some = 0;
    const few = pairs.filter((pair) => (some += pair.inputIds.length) <= TOKENS);
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
