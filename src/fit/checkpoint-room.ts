import { lstat, mkdir, rmdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { SettingsOf } from '../config/read-settings.js';
import type { modelCheckpointOptions } from '../config/schema/callbacks.js';
import { SettingError } from '../config/setting-error.js';
import { ioError, RankDistillmError } from '../errors.js';
import { LONGEST_NAME, pathBeside } from '../io/leftovers.js';
import { LAST } from '../train/checkpoints/keeper.js';
import { longestCheckpointName } from '../train/checkpoints/name.js';

const BYTES_PER_VALUE = 4;

/**
 * Checks before the first step that checkpoints can be written to an existing folder: their names, the place of the link
 * `last`, and the room.
 *
 * @param parameters number of trained values
 * @param small bytes of the tokenizer's files
 * @throws RankDistillmError `bad_input`, `io`
 */
export async function checkRoom(
  folder: string,
  options: SettingsOf<typeof modelCheckpointOptions>,
  parameters: number,
  small: number,
  warn: (message: string) => void,
): Promise<void> {
  await tryName(folder, longestCheckpointName(options.filename, options.autoInsertMetricName));
  const last = join(folder, LAST);
  const found = options.saveLast ? await lstat(last).catch(() => undefined) : undefined;
  if (found && !found.isSymbolicLink()) {
    throw new RankDistillmError('bad_input', `${last}: is in the way of the link that save_last makes`, {
      hint: 'Move or rename it, or omit save_last.',
    });
  }
  const needed = parameters * BYTES_PER_VALUE * (options.saveWeightsOnly ? 1 : 3) + small;
  const free = await freeBytes(folder);
  if (free === undefined || free >= 2 * needed) return;
  const sizes = `a checkpoint takes about ${megabytes(needed)}, and ${megabytes(free)} are free`;
  const hint = 'Free some space or set dirpath to a folder with more; save_weights_only: true takes a third.';
  if (free < needed) throw new RankDistillmError('io', `${folder}: no room for a checkpoint: ${sizes}`, { hint });
  warn(`${folder}: ${sizes}; a new checkpoint is written before an older one is removed`);
}

/** Makes a folder of the longest name and removes it: file systems differ in the length of names. */
async function tryName(folder: string, name: string): Promise<void> {
  const path = pathBeside(join(folder, name), 'gone');
  const length = Buffer.byteLength(name);
  try {
    if (length > LONGEST_NAME) throw Object.assign(new Error(), { code: 'ENAMETOOLONG' });
    await mkdir(path);
    await rmdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENAMETOOLONG') throw ioError('write', folder, error);
    throw new SettingError(['filename'], `makes names of up to ${length} bytes, too long for ${folder}: ${name}`, {
      hint: 'Use fewer values or shorter formats such as {loss:.2f}; $auto_insert_metric_name: false omits their names.',
    });
  }
}

/** Undefined where the file system does not tell. */
async function freeBytes(folder: string): Promise<number | undefined> {
  const stats = await statfs(folder).catch(() => undefined);
  return stats === undefined || stats.blocks === 0 ? undefined : stats.bavail * stats.bsize;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: bytes < 1e7 ? 1 : 0 })} MB`;
}
