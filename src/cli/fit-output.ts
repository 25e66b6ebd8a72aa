import { mkdir, readdir, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ioError } from '../errors.js';
import type { LoggerSettings } from './fit-plan/loggers.js';

/** The folder of a logger: `<save_dir>/<name>/version_N`, as Lightning lays it out. */
export interface LogFolder {
  settings: LoggerSettings;
  folder: string;
}

/** Folders of a run, and what to remove when nothing comes of it. */
export class FitOutput {
  /** Made by us, outermost first. */
  readonly #made: string[] = [];

  readonly logs: LogFolder[] = [];

  private constructor(private readonly rootDir: string) {}

  /** Where checkpoints and the model go: the folder of the first logger, as in Lightning, or else the root. */
  get folder(): string {
    return this.logs[0]?.folder ?? this.rootDir;
  }

  /**
   * Makes the folders of all loggers. Without a version each gets the next number; loggers below the same folder share
   * it. A number is taken by making its folder, so that two runs never get the same.
   */
  static async create(loggers: readonly LoggerSettings[], rootDir: string): Promise<FitOutput> {
    const output = new FitOutput(rootDir);
    const numbered = new Map<string, string>();
    try {
      for (const settings of loggers) {
        const parent = join(settings.saveDir, settings.name);
        const folder =
          settings.version === undefined
            ? (numbered.get(parent) ?? (await output.#nextVersion(parent)))
            : join(parent, versionName(settings.version));
        if (settings.version === undefined) numbered.set(parent, folder);
        else await output.#make(folder);
        output.logs.push({ settings, folder });
      }
      if (loggers.length === 0) await output.#make(rootDir);
    } catch (error) {
      await output.discard();
      throw error;
    }
    return output;
  }

  /** Remembers a folder that somebody else will make, so that `discard` removes it where it stays empty. */
  async expect(folder: string): Promise<void> {
    this.#made.push(...(await missing(folder)).toReversed());
  }

  /** Removes the folders that were made for this run: it ended before it began. */
  async discard(): Promise<void> {
    for (const { folder } of this.logs) {
      if (this.#made.includes(resolve(folder))) await rm(folder, { recursive: true, force: true });
    }
    for (const folder of this.#made.toReversed()) await rmdir(folder).catch(() => undefined); // not empty: not ours alone
  }

  async #nextVersion(parent: string): Promise<string> {
    await this.#make(parent);
    const names = await readdir(parent).catch((error: unknown) => Promise.reject(ioError('write', parent, error)));
    const numbers = names.map((name) => /^version_(\d+)$/.exec(name)?.[1]).filter((number) => number !== undefined);
    let next = numbers.reduce((most, number) => Math.max(most, Number(number) + 1), 0);
    for (;;) {
      const folder = join(parent, versionName(next));
      if (await this.#makeNew(folder)) return folder;
      next += 1;
    }
  }

  async #make(folder: string): Promise<void> {
    for (const path of (await missing(folder)).toReversed()) await this.#makeNew(path);
    const found = await stat(folder);
    if (!found.isDirectory()) throw ioError('write', folder, { code: 'ENOTDIR' });
  }

  /** @returns false when it was there already */
  async #makeNew(folder: string): Promise<boolean> {
    try {
      await mkdir(folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return false;
      // The folder above is there, so what cannot be found is a right to make folders in it (/proc says ENOENT).
      throw ioError('write', folder, code === 'ENOENT' ? { code: 'EACCES' } : error);
    }
    this.#made.push(resolve(folder));
    return true;
  }
}

function versionName(version: number | string): string {
  return typeof version === 'number' ? `version_${version}` : version;
}

/** The folders of a path that are not there, innermost first. */
async function missing(path: string): Promise<string[]> {
  const found: string[] = [];
  let folder = resolve(path);
  while (!(await exists(folder, path))) {
    found.push(folder);
    folder = dirname(folder);
  }
  return found;
}

async function exists(folder: string, path: string): Promise<boolean> {
  try {
    await stat(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw ioError('write', path, error);
  }
}
