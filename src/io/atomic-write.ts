import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import { refuseOverInput } from './inputs.js';
import { removeStrays } from './leftovers.js';
import { makeFolder } from './make-folder.js';
import { outputFile } from './output-file.js';
import { PendingFile } from './pending-file.js';

/** Writes text and waits when the disk is slower than the caller. */
export type WriteText = (text: string) => Promise<void>;

/**
 * Writes a file atomically: readers see the old or the complete new content. Writes to a temporary file beside the
 * target, syncs and renames it; a replaced file passes on its mode and owner. If `produce` throws, nothing is left
 * behind; leftovers of killed processes in the folder are removed by the next call. If `path` is a link, its target is
 * written.
 *
 * @throws RankDistillmError `bad_input` if the file is an input that is being read; `io`; if the text is complete but cannot be placed, the message says where it is kept
 */
export async function writeAtomically(path: string, produce: (write: WriteText) => Promise<void>): Promise<void> {
  const target = await outputFile(path);
  refuseOverInput(path);
  let file: PendingFile | undefined;
  try {
    await makeFolder(dirname(target));
    await removeStrays(dirname(target));
    file = await PendingFile.create(target, path);
    const { write } = file;
    await produce(write);
    await file.place();
  } catch (error) {
    await file?.discard();
    throw error instanceof RankDistillmError || (error as NodeJS.ErrnoException).code === undefined
      ? error
      : ioError('write', path, error);
  }
}

/** Flushes a file's content, or a folder's entries, to disk. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
