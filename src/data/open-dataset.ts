import type { OpenContext } from './open-run.js';
import { RunDataset } from './run-dataset.js';
import type { RunDatasetOptions } from './run-options.js';
import type { TrainingContext, TrainingDataset, ValidationDataset } from './training-dataset.js';
import { openTrainingRunDataset } from './training-run-dataset.js';
import { openTupleDataset, type TupleDatasetOptions } from './tuple-dataset.js';

/** Opens `fit`'s training data: a TupleDataset if `tuplesDataset` is given, else a RunDataset. */
export function openTrainingDataset(
  options: RunDatasetOptions | TupleDatasetOptions,
  context: TrainingContext = {},
): Promise<TrainingDataset> {
  return 'tuplesDataset' in options ? openTupleDataset(options, context) : openTrainingRunDataset(options, context);
}

/** Opens `fit`'s validation data. A TupleDataset gives a loss only; measures need the qrels of a RunDataset. */
export function openValidationDataset(
  options: RunDatasetOptions | TupleDatasetOptions,
  context: OpenContext = {},
): Promise<ValidationDataset> {
  return 'tuplesDataset' in options
    ? openTupleDataset(options, context)
    : RunDataset.open(options, context.registry, context.indexing);
}
