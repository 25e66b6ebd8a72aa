import type { Config } from '../../config/schema/schema.js';
import type { TupleDatasetOptions } from '../../data/tuple-dataset.js';
import { RankDistillmError } from '../../errors.js';
import { refuseGiven, type PlaceOf, type RunSettings } from '../config-plan.js';
import type { LossSettings } from './losses.js';

/** `data.train_dataset`, with the place of the run or of the tuples. */
export type TrainSettings =
  { kind: 'run'; run: RunSettings } | { kind: 'tuples'; tuples: TupleDatasetOptions; place: string };

const PATH = ['data', 'init_args', 'train_dataset'];

export function trainDatasetOf(config: Config, losses: readonly LossSettings[], placeOf: PlaceOf): TrainSettings {
  const dataset = config.data?.init_args.train_dataset;
  if (!dataset) {
    throw new RankDistillmError('bad_input', 'data.init_args.train_dataset: there is nothing to learn from', {
      hint: 'Add a RunDataset; configs/examples/fit-first-stage.yaml is a configuration to start from.',
    });
  }
  if (dataset.class_path === 'TupleDataset') {
    const { tuples_dataset: tuplesDataset, targets, num_docs: numDocs } = dataset.init_args;
    const place = placeOf([...PATH, 'init_args', 'tuples_dataset']);
    return { kind: 'tuples', tuples: { tuplesDataset, targets, numDocs }, place };
  }
  const args = dataset.init_args;
  refuseTargets(args, losses, placeOf);
  return { kind: 'run', run: { ...args, place: placeOf([...PATH, 'init_args', 'run_path_or_id']) } };
}

/** Targets that no sample could have, or that a loss could learn nothing from. */
function refuseTargets(args: Omit<RunSettings, 'place'>, losses: readonly LossSettings[], placeOf: PlaceOf): void {
  const { targets, depth } = args;
  const path = [...PATH, 'init_args', 'targets'];
  const raw = targets === 'rank' && !args.normalize_targets;
  const positiveOnly = losses.find(({ classPath }) => classPath === 'ApproxNDCG' || classPath === 'ApproxMRR');
  const gains = losses.some(
    ({ classPath, initArgs }) => classPath === 'ApproxNDCG' && initArgs['scale_gains'] === true,
  );
  refuseGiven(
    [
      {
        given: targets === null,
        path,
        what: 'not set, so there is nothing to learn',
        hint: 'Set targets: relevance (grades of the qrels), rank or score (of the run).',
        code: 'bad_input',
      },
      {
        given: targets === 'subtopic_relevance',
        path,
        what: 'subtopic_relevance is not built',
        hint: 'targets: relevance takes the greatest grade over all subtopics (iterations).',
      },
      {
        given: targets === 'rank' && args.add_docs_not_in_ranking,
        path: [...PATH, 'init_args', 'add_docs_not_in_ranking'],
        what: 'added documents have no rank, which targets: rank would learn',
        hint: 'Set add_docs_not_in_ranking: false, or targets: relevance.',
        code: 'bad_input',
      },
      {
        given: args.sample_size === 1,
        path: [...PATH, 'init_args', 'sample_size'],
        what: 'a sample of one document has nothing to compare it with',
        hint: 'Set sample_size to at least 2.',
        code: 'bad_input',
      },
      {
        given: raw && depth === -1 && positiveOnly !== undefined,
        path,
        what: `rank without a depth gives targets below 0, which ${positiveOnly?.classPath} takes as 0`,
        hint: 'Set depth, so that targets are depth - rank + 1, or normalize_targets: true.',
        code: 'bad_input',
      },
      {
        given: raw && depth > MOST_GAIN && gains,
        path,
        what: `ApproxNDCG's gains 2^target - 1 overflow with targets up to depth ${depth}`,
        hint: 'Set normalize_targets: true, or scale_gains: false.',
        code: 'bad_input',
      },
    ],
    placeOf,
  );
}

/** 2^target has to stay a finite float64, and so do sums of a few thousand of them. */
const MOST_GAIN = 1000;
