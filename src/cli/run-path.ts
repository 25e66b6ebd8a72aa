import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

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
