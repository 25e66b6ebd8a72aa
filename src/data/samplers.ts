import type { RandomStream } from '../random/random-stream.js';
import type { Candidate } from './candidates.js';

export type SamplingStrategy = 'single_relevant' | 'top' | 'random' | 'log_random' | 'top_and_random';

/** The reason that no sample can be drawn from a topic. */
export type Unsampled = 'too_few' | 'no_relevant';

/** A sampling strategy of lightning-ir's Sampler. */
interface Sampler {
  /** The documents that can be sampled. */
  reach(candidates: readonly Candidate[], size: number): readonly Candidate[];
  /** Undefined if a sample of `size` documents can be drawn. */
  obstacle(candidates: readonly Candidate[], size: number): Unsampled | undefined;
  /** Draws `size` documents; requires that there is no obstacle. */
  draw(candidates: readonly Candidate[], size: number, random: () => RandomStream): Candidate[];
}

const isRelevant = ({ relevance }: Candidate): boolean => (relevance ?? 0) > 0;
/** Documents with a negative grade (spam) count neither as relevant nor as non-relevant. */
const isNegative = ({ relevance, rank }: Candidate): boolean => (relevance ?? 0) === 0 && rank !== undefined;

const tooFew = (candidates: readonly Candidate[], size: number): Unsampled | undefined =>
  candidates.length < size ? 'too_few' : undefined;
const all = (candidates: readonly Candidate[]): readonly Candidate[] => candidates;

const SAMPLERS: Readonly<Record<SamplingStrategy, Sampler>> = {
  /** The first `size` documents. */
  top: {
    reach: (candidates, size) => candidates.slice(0, size),
    obstacle: tooFew,
    draw: (candidates, size) => candidates.slice(0, size),
  },
  /** Uniformly at random. */
  random: {
    reach: all,
    obstacle: tooFew,
    draw: (candidates, size, random) => random().choose(candidates, size),
  },
  /** At random, weighted by 1 / ln(1 + rank); documents without a rank get the smallest of these weights. */
  log_random: {
    reach: all,
    obstacle: tooFew,
    draw: (candidates, size, random) => random().chooseWeighted(candidates, logWeights(candidates), size),
  },
  /** Half of the sample (rounded down) from the top, the rest at random. */
  top_and_random: {
    reach: all,
    obstacle: tooFew,
    draw: (candidates, size, random) => {
      const top = Math.floor(size / 2);
      return [...candidates.slice(0, top), ...random().choose(candidates.slice(top), size - top)];
    },
  },
  /** One relevant document (grade above 0), then ranked documents that are unjudged or have grade 0. */
  single_relevant: {
    reach: (candidates) => candidates.filter((candidate) => isRelevant(candidate) || isNegative(candidate)),
    obstacle: (candidates, size) => {
      if (candidates.length < size) return 'too_few';
      if (!candidates.some(isRelevant)) return 'no_relevant';
      return candidates.filter(isNegative).length < size - 1 ? 'too_few' : undefined;
    },
    draw: (candidates, size, random) => {
      const stream = random();
      return [
        ...stream.choose(candidates.filter(isRelevant), 1),
        ...stream.choose(candidates.filter(isNegative), size - 1),
      ];
    },
  },
};

/** The weights that lightning-ir's Sampler.log_random passes to pandas' `sample`. */
export function logWeights(candidates: readonly Candidate[]): number[] {
  const weights = candidates.map(({ rank }) => (rank === undefined ? undefined : 1 / Math.log1p(rank)));
  const least = weights.reduce<number>((min, weight) => Math.min(min, weight ?? Infinity), Infinity);
  return weights.map((weight) => weight ?? least);
}

/** `Sampler.reach` of a strategy; with size -1 the sample is all documents, for every strategy. */
export function reachOf(candidates: readonly Candidate[], size: number, strategy: SamplingStrategy) {
  return size === -1 ? candidates : SAMPLERS[strategy].reach(candidates, size);
}

/** `Sampler.obstacle` of a strategy; with size -1 only an empty topic is an obstacle. */
export function obstacleTo(
  candidates: readonly Candidate[],
  size: number,
  strategy: SamplingStrategy,
): Unsampled | undefined {
  if (size === -1) return candidates.length === 0 ? 'too_few' : undefined;
  return SAMPLERS[strategy].obstacle(candidates, size);
}

/** `Sampler.draw` of a strategy; `random` creates the topic's random stream, if one is needed. */
export function drawSample(
  candidates: readonly Candidate[],
  size: number,
  strategy: SamplingStrategy,
  random: () => RandomStream,
): readonly Candidate[] {
  return size === -1 ? candidates : SAMPLERS[strategy].draw(candidates, size, random);
}
