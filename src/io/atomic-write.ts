import { createWriteStream, type WriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { ioError, RankDistillmError } from '../errors.js';
import { makeFolder } from './make-folder.js';

/** Writes text, waiting when the disk is slower than the caller. */
export type WriteText = (text: string) => Promise<void>;

/**
 * Writes a file so that readers see the old content or the whole new one, never half: the text goes to a temporary
 * name beside the target, is synced, then renamed. When `produce` throws, nothing is left behind.
 */
export async function writeAtomically(path: string, produce: (write: WriteText) => Promise<void>): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  let stream: WriteStream | undefined;
  try {
    await makeFolder(dirname(path));
    stream = createWriteStream(temporary, { flags: 'wx' });
    await once(stream, 'open');
    const done = finished(stream);
    done.catch(() => undefined); // a write below reports it; without this line Node would call it unhandled
    const target = stream;
    await produce(async (text) => {
      if (target.errored) throw target.errored;
      if (!target.write(text)) await Promise.race([once(target, 'drain'), done]);
    });
    stream.end();
    await done;
    const handle = await open(temporary, 'r');
    await handle.sync().finally(() => handle.close());
    await rename(temporary, path);
  } catch (error) {
    stream?.destroy();
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error instanceof RankDistillmError || (error as NodeJS.ErrnoException).code === undefined
      ? error
      : ioError('write', path, error);
  }
}
