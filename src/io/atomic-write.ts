import { createWriteStream, type WriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { ioError, RankDistillmError } from '../errors.js';
import { pathBeside, removeLeftovers } from './leftover.js';
import { makeFolder } from './make-folder.js';
import { outputFile } from './output-file.js';
import { sync } from './sync.js';

/** Writes text, waiting when the disk is slower than the caller. */
export type WriteText = (text: string) => Promise<void>;

/**
 * Writes a file so that readers see the old content or the whole new one, never half: the text goes to a temporary
 * name beside the target, is synced, then renamed. When `produce` throws, nothing is left behind; what a killed process
 * left is removed by the next one. Where `path` is a link, the file that it leads to is written.
 */
export async function writeAtomically(path: string, produce: (write: WriteText) => Promise<void>): Promise<void> {
  const target = await outputFile(path);
  const temporary = pathBeside(target, 'new');
  let stream: WriteStream | undefined;
  try {
    await makeFolder(dirname(target));
    await removeLeftovers(target);
    stream = createWriteStream(temporary, { flags: 'wx' });
    await once(stream, 'open');
    const done = finished(stream);
    done.catch(() => undefined); // a write below reports it; without this line Node would call it unhandled
    const opened = stream;
    await produce(async (text) => {
      if (opened.errored) throw opened.errored;
      if (!opened.write(text)) await once(opened, 'drain'); // rejects at an error
    });
    stream.end();
    await done;
    await sync(temporary);
    await rename(temporary, target);
  } catch (error) {
    stream?.destroy();
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error instanceof RankDistillmError || (error as NodeJS.ErrnoException).code === undefined
      ? error
      : ioError('write', path, error);
  }
}
