import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ioError } from '../errors.js';
import { makeFolder } from '../io/make-folder.js';

/**
 * Creates the log folder of a run, named as by Lightning's loggers: `<root>/lightning_logs/version_0`.
 *
 * @param name folder between root and version; empty: none
 * @param version a number for `version_N`, or a full folder name; the folder may exist. Default: one more than the
 * highest version. Concurrent processes get different folders.
 * @throws io when it cannot be created
 */
export async function versionFolder(root: string, name = 'lightning_logs', version?: number | string): Promise<string> {
  const parent = join(root, name);
  if (version !== undefined) {
    const folder = join(parent, typeof version === 'number' ? `version_${version}` : version);
    await makeFolder(folder);
    return folder;
  }
  await makeFolder(parent);
  try {
    const taken = (await readdir(parent)).map((entry) => Number(/^version_(\d+)$/.exec(entry)?.[1] ?? -1));
    for (let next = Math.max(-1, ...taken) + 1; ; next++) {
      const folder = join(parent, `version_${next}`);
      try {
        await mkdir(folder);
        return folder;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
  } catch (error) {
    throw ioError('write', parent, error);
  }
}
