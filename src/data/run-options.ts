import { checkOptions, type OptionsOf, type SettingsOf } from '../config/read-settings.js';
import { runDatasetOptions } from '../config/schema/data.js';
import { SettingError } from '../config/setting-error.js';
import type { TargetOptions } from './targets.js';

/** Options of lightning-ir's RunDataset (there in snake_case). */
export type RunDatasetOptions = OptionsOf<typeof runDatasetOptions>;
export type CheckedRunOptions = SettingsOf<typeof runDatasetOptions>;

/** Options of a training run, with targets. */
export type CheckedTrainingOptions = CheckedRunOptions & TargetOptions;

/** @throws SettingError for options that re-ranking and validation do not support */
export function checkRunOptions(options: RunDatasetOptions): CheckedRunOptions {
  const checked = checkOptions(runDatasetOptions, options);
  if (checked.samplingStrategy !== 'top') {
    throw new SettingError(['sampling_strategy'], `"${checked.samplingStrategy}" is for training only`, {
      code: 'unsupported',
      hint: 'Re-ranking and validation take the top of a run: set $sampling_strategy to top.',
    });
  }
  if (checked.addDocsNotInRanking) {
    throw new SettingError(['add_docs_not_in_ranking'], 'is for training only', {
      code: 'unsupported',
      hint: 'Re-ranking and validation take the documents of the run: set $add_docs_not_in_ranking to false.',
    });
  }
  return checked;
}

/** @throws SettingError for options that training does not support */
export function checkTrainingOptions(options: RunDatasetOptions): CheckedTrainingOptions {
  const checked = checkOptions(runDatasetOptions, options);
  const { targets } = checked;
  if (targets === null) {
    throw new SettingError(['targets'], 'is not set, so there is nothing to learn', {
      hint: 'Set targets: relevance (grades of the qrels), rank or score (of the run).',
    });
  }
  if (targets === 'subtopic_relevance') {
    throw new SettingError(['targets'], 'subtopic_relevance is not supported', {
      code: 'unsupported',
      hint: 'targets: relevance takes the greatest grade over all subtopics (iterations).',
    });
  }
  if (checked.addDocsNotInRanking && targets === 'rank') {
    throw new SettingError(['add_docs_not_in_ranking'], 'added documents have no rank, but targets: rank needs one', {
      hint: 'Set $add_docs_not_in_ranking to false, or targets to relevance.',
    });
  }
  return { ...checked, targets };
}
