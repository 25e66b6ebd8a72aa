import { lstat, mkdtemp, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import { pathBeside } from './leftovers.js';
import { cacheFolder, makeFolder } from './make-folder.js';

/** Text is written in parts of this many characters; a write of its own for each line of a run would be slow. */
const PART_LENGTH = 64 * 1024;

/** Text that is complete but could not be placed. */
export class KeptElsewhereError extends RankDistillmError {
  /** The file that holds the text. */
  readonly kept: string;

  constructor(target: string, kept: string, cause: unknown) {
    const { message } = cause instanceof RankDistillmError ? cause : ioError('write', target, cause);
    const hint = `Move what is in ${dirname(kept)} to the folder of ${target} when that can be written.`;
    super('io', `${message}; the complete text is kept in ${kept}`, { hint, cause });
    this.kept = kept;
  }
}

/**
 * A file that gets its name when it is complete. What was written outlives a full disk and the removal of its folder: it
 * moves to another place and goes on there.
 */
export class PendingFile {
  /** Where the bytes are now; a file that someone removed can still be read. */
  #handle: FileHandle;
  #path: string;
  #size = 0;
  #parts: string[] = [];
  #length = 0;
  /** Why the text is in another folder than its target's. */
  #moved: unknown;
  /** Nothing is left to be discarded. */
  #ended = false;
  readonly #target: string;
  readonly #name: string;

  private constructor(target: string, name: string, path: string, handle: FileHandle) {
    this.#target = target;
    this.#name = name;
    this.#path = path;
    this.#handle = handle;
  }

  /** @param name the target's name in errors */
  static async create(target: string, name: string): Promise<PendingFile> {
    const { path, handle } = await openBeside(target);
    return new PendingFile(target, name, path, handle);
  }

  readonly write = async (text: string): Promise<void> => {
    this.#parts.push(text);
    this.#length += text.length;
    if (this.#length >= PART_LENGTH) await this.#flush();
  };

  /**
   * Renames the file to its target. Tries a second time with a new folder and a copy; then keeps the text elsewhere.
   *
   * @throws KeptElsewhereError
   */
  async place(): Promise<void> {
    await this.#flush();
    let failure = this.#moved;
    if (failure === undefined) {
      try {
        await this.#handle.sync();
        await rename(this.#path, this.#target);
        this.#ended = true;
        return await this.#handle.close();
      } catch (error) {
        failure = error;
      }
    }
    try {
      await this.#placeCopy();
    } catch {
      if (this.#moved === undefined) await this.#move(failure);
      this.#ended = true;
      await this.#handle.close();
      throw new KeptElsewhereError(this.#name, this.#path, failure);
    }
    await this.discard();
  }

  /** Removes what was written, unless it is in its place. */
  async discard(): Promise<void> {
    if (this.#ended) return;
    await this.#handle.close().catch(() => undefined); // may be closed
    await rm(this.#moved === undefined ? this.#path : dirname(this.#path), { recursive: true, force: true }).catch(
      () => undefined,
    );
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.from(this.#parts.join(''));
    this.#parts = [];
    this.#length = 0;
    for (let done = 0; done < bytes.length;) {
      try {
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#size);
        done += bytesWritten;
        this.#size += bytesWritten;
      } catch (error) {
        await this.#move(error);
      }
    }
  }

  async #placeCopy(): Promise<void> {
    await makeFolder(dirname(this.#target));
    const { path, handle } = await openBeside(this.#target);
    try {
      await this.#copyTo(handle);
      await rename(path, this.#target);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
  }

  /** Moves the text to the first place that takes it, in a folder that only this user may enter. */
  async #move(why: unknown): Promise<void> {
    for (const parent of this.#moved === undefined ? [cacheFolder(), tmpdir(), '.'] : []) {
      let folder: string | undefined;
      let handle: FileHandle | undefined;
      try {
        await makeFolder(parent);
        folder = await mkdtemp(join(resolve(parent), 'kept-by-rank-distillm-'));
        const path = join(folder, basename(this.#target));
        handle = await open(path, 'wx+', 0o600);
        await this.#copyTo(handle);
        await this.discard();
        [this.#path, this.#handle, this.#moved] = [path, handle, why];
        return;
      } catch {
        await handle?.close().catch(() => undefined);
        if (folder !== undefined) await rm(folder, { recursive: true, force: true }).catch(() => undefined);
      }
    }
    throw why;
  }

  async #copyTo(other: FileHandle): Promise<void> {
    const part = Buffer.alloc(1024 * 1024);
    for (let done = 0; done < this.#size;) {
      const { bytesRead } = await this.#handle.read(part, 0, Math.min(part.length, this.#size - done), done);
      if (bytesRead === 0) throw new Error('the text became shorter');
      for (let written = 0; written < bytesRead;) {
        written += (await other.write(part, written, bytesRead - written, done + written)).bytesWritten;
      }
      done += bytesRead;
    }
    await other.sync();
  }
}

/** A new file beside the target; never follows a link. It takes over the mode and, where we may, the owner. */
async function openBeside(target: string): Promise<{ path: string; handle: FileHandle }> {
  const path = pathBeside(target, 'new');
  const replaced = await lstat(target).catch(() => undefined);
  const handle = await open(path, 'wx+', replaced === undefined ? 0o666 : 0o600);
  if (replaced === undefined) return { path, handle };
  try {
    const { uid, gid, mode } = replaced;
    const own = await handle.stat();
    if (uid !== own.uid || gid !== own.gid) await handle.chown(uid, gid).catch(() => undefined);
    await handle.chmod(mode & 0o777);
    return { path, handle };
  } catch (error) {
    await handle.close();
    await rm(path, { force: true });
    throw error;
  }
}
