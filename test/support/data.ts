import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DatasetRegistry } from '../../src/data/registry.js';
import type { RunDatasetOptions } from '../../src/data/run-options.js';
import type { TrainingDataset, TrainingSample } from '../../src/data/training-dataset.js';
import { openTrainingRunDataset } from '../../src/data/training-run-dataset.js';

/** A file that scripts/references/data.py wrote. */
export function golden(name: string): string {
  return fileURLToPath(new URL(`../data/golden/${name}`, import.meta.url));
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Samples as lightning-ir gave them; null stands for its NaN. */
export interface ReferenceSample extends Omit<TrainingSample, 'targets'> {
  targets: (number | null)[];
}

/** What scripts/references/data.py wrote. */
export interface TrainingReference {
  draws_per_case: number;
  cases: {
    dataset: 'grades' | 'subtopics';
    options: {
      targets: 'relevance' | 'rank' | 'score';
      normalize_targets: boolean;
      add_docs_not_in_ranking: boolean;
      depth: number;
      sample_size: number;
    };
    samples: ReferenceSample[];
  }[];
  draws: {
    strategy: 'random' | 'log_random' | 'top_and_random' | 'single_relevant';
    add: boolean;
    size: number;
    topic: string;
    candidates: string[];
    drawn: Record<string, number>;
    first: Record<string, number>;
  }[];
  tuples: { dataset: string; targets: 'order' | 'score'; num_docs: number | null; samples: ReferenceSample[] }[];
}

export const inTraining = (name: string): string => golden(`training/${name}`);

export function trainingReference(): TrainingReference {
  return JSON.parse(readFileSync(inTraining('lightning-ir.json'), 'utf8')) as TrainingReference;
}

/** The invented datasets `training/grades` and `training/subtopics`; parts given win. */
export function trainingRegistry(parts: { docs?: string; queries?: string; qrels?: string } = {}): DatasetRegistry {
  const registry = new DatasetRegistry();
  for (const name of ['grades', 'subtopics']) {
    registry.register(`training/${name}`, {
      docs: inTraining('docs.tsv'),
      queries: inTraining('queries.tsv'),
      qrels: inTraining(`${name}.tsv`),
      ...parts,
    });
  }
  return registry;
}

export const gradesRun = inTraining('__made__training-grades.run');

/** Opens, reads one epoch in order and closes. */
export async function readTraining(
  options: RunDatasetOptions,
  {
    registry = trainingRegistry(),
    seed = 1,
    epoch = 0,
  }: { registry?: DatasetRegistry; seed?: number; epoch?: number } = {},
): Promise<{ dataset: TrainingDataset; samples: TrainingSample[] }> {
  await using dataset = await openTrainingRunDataset(options, { registry, seed });
  return { dataset, samples: await collect(dataset.epoch({ epoch, shuffle: false })) };
}
