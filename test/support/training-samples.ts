import { readFileSync } from 'node:fs';
import type { TrainingDataset, TrainingSample } from '../../src/data/training-dataset.js';

/** Samples that are at hand already, in this order in each epoch. */
export function datasetOf(samples: readonly TrainingSample[]): TrainingDataset {
  return {
    name: 'given',
    sampleSize: samples[0]!.docs.length,
    warnings: [],
    countSamples: () => samples.length,
    async *epoch({ from = 0 }) {
      yield* samples.slice(from);
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** What lightning-ir computed of a loss: golden/training.json. */
export interface GoldenRun {
  loss: string;
  init_args: Record<string, unknown>;
  lr: number;
  weight_decay: number;
  trace: { loss: number }[];
  samples: TrainingSample[];
}

/** @param path of golden/training.json */
export function goldenRuns(path: string): GoldenRun[] {
  const { queries, docs, runs } = JSON.parse(readFileSync(path, 'utf8')) as {
    queries: Record<string, string>;
    docs: Record<string, string[]>;
    runs: (Omit<GoldenRun, 'samples'> & { targets: number[][] })[];
  };
  return runs.map(({ targets, ...run }) => ({
    ...run,
    samples: Object.keys(queries).map((queryId, q) => ({
      queryId,
      query: queries[queryId]!,
      docIds: docs[queryId]!.map((_, i) => `d${i}`),
      docs: docs[queryId]!,
      targets: targets[q]!,
    })),
  }));
}
