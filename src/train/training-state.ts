import type { Facts } from '../io/fingerprint.js';
import type { CheckpointState } from './checkpoint-keeper.js';
import type { StoppingState } from './early-stopping.js';

/** The last phase completed before a checkpoint was saved; a resumed run repeats the phases after it. */
export type TrainingPhase = 'step' | 'validation' | 'epoch';

/** State of a run, as JSON. With parameters and moments it lets a resumed run continue bit for bit. */
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
  /** Training time so far. */
  seconds: number;
  skippedSteps: number;
  /** Newest finite values by name. */
  metrics: Record<string, number>;
  keepers: CheckpointState[];
  stoppers: StoppingState[];
  /** Identifies the run, to check a resume. */
  run: RunIdentity;
}

export interface RunIdentity {
  seed: number;
  /** Determines how batches are split, and so the order of floating-point sums. */
  tokenBudget: number;
  /** Values that must be equal after a resume. */
  fixed: Facts;
  /** Values that may change at a resume, such as the learning rate. */
  free: Facts;
}
