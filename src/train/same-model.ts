import type { Checkpoint } from '../models/checkpoint.js';
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

function settingsOf({ modelClass, encoder, head, mono, pairEncoding }: Checkpoint): Record<string, unknown> {
  const lengths = mono ? { query_length: mono.queryLength, doc_length: mono.docLength } : {};
  const { pooling, dense, output, label, logSoftmax } = head;
  return {
    class: modelClass,
    ...encoder,
    pooling,
    'dense layer of the head': dense?.name ?? 'none',
    labels: output.labels,
    label,
    bias: output.bias,
    logSoftmax,
    ...lengths,
    'length of a pair': pairEncoding.maxLength,
  };
}
