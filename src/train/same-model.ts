import type { Checkpoint } from '../models/checkpoint.js';
import { modelSettings } from '../models/fingerprint.js';
import { RankDistillmError } from '../errors.js';

/**
 * Checks that a checkpoint's model is the one that a run trains: the same encoder, head and lengths.
 *
 * @throws RankDistillmError `bad_input` that names the first difference
 */
export function checkSameModel(saved: Checkpoint, wanted: Checkpoint): void {
  const there = settingsOf(saved);
  for (const [key, value] of Object.entries(settingsOf(wanted))) {
    if (there[key] === value) continue;
    throw new RankDistillmError(
      'bad_input',
      `${saved.folder}: is a checkpoint of another model: ${key} is ${there[key]} there and ${value} for ${wanted.name}`,
      {
        hint: 'Resume with the model and the settings that the run began with, or name the checkpoint as the model of a new run.',
      },
    );
  }
}

function settingsOf(checkpoint: Checkpoint): Record<string, unknown> {
  return { class: checkpoint.modelClass, ...checkpoint.encoder, ...modelSettings(checkpoint) };
}
