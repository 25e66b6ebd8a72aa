import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { RankDistillmError } from '../errors.js';

/** Where ReRankCallback wants runs; all null without one. */
export interface RunNaming {
  saveDir: string | null;
  runName: string | null;
}

/**
 * The file a re-ranked run goes to. The name is lightning-ir's: the input's file name up to its first dot, or the id
 * with dashes for slashes. The folder is `save_dir`, or `./runs/<model>`.
 *
 * @param isFile whether `runPathOrId` is a file
 */
export function runPath(model: string, runPathOrId: string, isFile: boolean, naming: RunNaming): string {
  const folder = naming.saveDir ?? join('runs', modelName(model));
  if (naming.runName !== null) return join(folder, naming.runName);
  const name = isFile ? (basename(runPathOrId).split('.')[0] as string) : runPathOrId.replaceAll('/', '-');
  return join(folder, `${name}.run`);
}

/** A folder's own name, or a Hugging Face id with dashes for slashes. */
function modelName(model: string): string {
  return existsSync(model) ? basename(resolve(model)) || 'model' : model.replaceAll('/', '-');
}

/**
 * Refuses outputs that would destroy an input, and two datasets with one output: lightning-ir lets the second
 * overwrite the first.
 *
 * @param inputs files the command reads
 */
export async function refuseCollisions(outputs: readonly string[], inputs: readonly string[]): Promise<void> {
  const owner = new Map<string, number>();
  const taken = new Map<string, string>();
  for (const input of inputs) {
    const id = await fileId(input);
    if (id) taken.set(id, input);
  }
  for (const [index, output] of outputs.entries()) {
    const path = resolve(output);
    const other = owner.get(path);
    if (other !== undefined) {
      throw new RankDistillmError('bad_input', `datasets ${other + 1} and ${index + 1} would both be written to ${output}`, {
        hint: 'Leave run_name out, or rename one of the input files, so that each dataset gets a file of its own.',
      });
    }
    owner.set(path, index);
    const id = await fileId(output);
    const input = id === undefined ? undefined : taken.get(id);
    if (input !== undefined) {
      throw new RankDistillmError('bad_input', `${output}: the run would be written over its input ${input}`, {
        hint: 'Set save_dir of ReRankCallback to another folder.',
      });
    }
  }
}

/** Tells files apart whatever their paths look like: links to a file are that file. */
async function fileId(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined; // it does not exist, so nothing can be overwritten
  }
}
