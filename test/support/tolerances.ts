import { ON_GPU } from './devices.js';

/**
 * How far results may be from a reference, by device and precision. Scores: absolute in float32, otherwise a share of the
 * spread (largest minus smallest score). Gradients: a share of the reference's norm. Tighter is always welcome; a number
 * grows only for a reason that is written here.
 */
const CPU = {
  float32: {
    /** The project's bound against lightning-ir and sentence-transformers; docs/numerics.md has what is measured. */
    score: 1e-4,
    /** Relative. The project's bound on the ten steps of the golden traces. */
    loss: 1e-4,
    /** Against lightning-ir's; CPUs are up to 0.46e-5 off. Also between parts, threads and levels of the kernels. */
    gradient: 1e-5,
    /** Between the scores of the trainer and of the engine that re-ranks: one model, other orders of the same sums. */
    otherEngine: 1e-5,
    /** After ten steps of AdamW, which takes the sign of rounding noise; CPUs are up to 0.8e-4 off. */
    scoreAfterSteps: 1e-4,
    /** Norm of a gradient that is zero in exact arithmetic. */
    noise: 1e-6,
    /** What a sum over a gradient may be off beyond `gradient`: the golden file's own float32 sums are up to 1.3e-5 of the
     * norm off those in float64 (scripts/references/gradients.py). */
    sumRounding: 1.3e-5,
  },
  bfloat16: {
    /** The project's bound. */
    score: 0.02,
    /** With float32 in some places: other roundings, which happen to add up to 2.2 % in one of mono-rank's pairs. */
    scoreOfMixed: 0.03,
    /** Twice what lightning-ir's gradients are off under autocast: scripts/references/gradients.py prints that. */
    gradient: { 'mono-rank': 2 * 0.028, 'mono-head-64': 2 * 0.0294, 'mono-mean': 2 * 0.0153 },
  },
  /** Of mono-rank, a small random model, at each level of kernels; docs/numerics.md has larger ones. */
  int16: { score: 0.001 },
  int8: { score: 0.1, otherLevel: 0.05 },
};

const CUDA: typeof CPU = {
  float32: {
    ...CPU.float32,
    // The order in which a GPU's library sums is not ours.
    gradient: 1e-4,
    otherEngine: 1e-4,
    scoreAfterSteps: 3e-4,
    noise: 1e-5,
  },
  bfloat16: {
    ...CPU.bfloat16,
    /** How far lightning-ir's scores under bf16 autocast are off on the golden pairs. */
    score: 0.023,
  },
  int16: CPU.int16,
  int8: CPU.int8,
};

export const TOLERANCES = {
  cpu: CPU,
  cuda: CUDA,
  /** Of the device that `auto` is. */
  auto: ON_GPU ? CUDA : CPU,
};

/** On either device, between two ways to divide the same pairs into blocks: the sums of a pair are the same. */
export const OTHER_BLOCKS = { score: 1e-5, gradient: 1e-5, gradientNorm: 1e-5 };

export function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

/** The distance of two gradients as a share of the second's norm. */
export function relativeDistance(found: ArrayLike<number>, expected: Float32Array): number {
  return norm(expected.map((value, i) => found[i]! - value)) / norm(expected);
}
