import type { Checkpoint } from '../models/checkpoint.js';
import { modelSettings } from '../models/fingerprint.js';
import { RankDistillmError } from '../errors.js';

/**
 * Checks that a checkpoint has the model that the run trains: the same encoder, head and lengths.
 *
 * @throws RankDistillmError `bad_input` that names the first difference
 */
export function checkSameModel(saved: Checkpoint, wanted: Checkpoint): void {
  const there = settingsOf(saved);
  for (const [key, value] of Object.entries(settingsOf(wanted))) {
    if (there[key] === value) continue;
    throw new RankDistillmError(
      'bad_input',
      `${saved.folder}: is a checkpoint of another model: ${key} is ${there[key]} in it and ${value} in ${wanted.name}`,
      {
        hint: 'Resume with the model and the settings of the original run, or start a new run with the checkpoint as its model.',
      },
    );
  }
}

function settingsOf(checkpoint: Checkpoint): Record<string, unknown> {
  return { class: checkpoint.modelClass, ...checkpoint.encoder, ...modelSettings(checkpoint) };
}
