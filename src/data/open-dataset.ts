import type { RunDatasetOptions } from './run-options.js';
import type { TrainingContext, TrainingDataset } from './training-dataset.js';
import { openTrainingRunDataset } from './training-run-dataset.js';
import { openTrainingTupleDataset, type TupleDatasetOptions } from './tuple-dataset.js';

/** Opens what `fit` learns from: a RunDataset, or a TupleDataset where `tuplesDataset` is given. */
export function openTrainingDataset(
  options: RunDatasetOptions | TupleDatasetOptions,
  context: TrainingContext = {},
): Promise<TrainingDataset> {
  return 'tuplesDataset' in options
    ? openTrainingTupleDataset(options, context)
    : openTrainingRunDataset(options, context);
}
