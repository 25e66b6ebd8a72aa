import type { Facts } from '../io/fingerprint.js';
import type { CheckpointState } from './checkpoint-keeper.js';
import type { StoppingState } from './early-stopping.js';

/** The last thing that was finished where a checkpoint was saved; what follows it is done again after a resume. */
export type TrainingPhase = 'step' | 'validation' | 'epoch';

/** Where a run is, as JSON: with parameters and moments it is all that a resumed run needs to go on bit for bit. */
export interface TrainingState {
  /** Optimizer steps so far. */
  step: number;
  /** 0-based. */
  epoch: number;
  /** Batches of this epoch so far. */
  batch: number;
  /** Batches of all epochs so far. */
  totalBatches: number;
  phase: TrainingPhase;
  /** Spent training. */
  seconds: number;
  skippedSteps: number;
  /** Newest values by name; what is not finite is left out. */
  metrics: Record<string, number>;
  keepers: CheckpointState[];
  stoppers: StoppingState[];
  /** What a resumed run is compared by. */
  run: RunIdentity;
}

export interface RunIdentity {
  seed: number;
  /** Parts are cut by it, so sums are added in its order. */
  tokenBudget: number;
  /** What makes it this run: with another value of these it would be another one. */
  fixed: Facts;
  /** What may change on the way, such as the learning rate. */
  free: Facts;
}
