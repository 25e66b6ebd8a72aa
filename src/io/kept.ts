import { link, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { z } from 'zod';
import { writeAtomically } from './atomic-write.js';
import { pathBeside } from './leftovers.js';
import { cacheFolder, makeFolder, PRIVATE_MODE } from './make-folder.js';
import { readRegularFileIfPresent } from './regular-file.js';

/** These files are small. */
const LIMIT = { bytes: 2 ** 20 };

/**
 * A measured value in the cache folder, as JSON. Processes that measure at the same time agree: the first that keeps its
 * value decides for all, until the file is removed.
 */
export class KeptValue<Schema extends z.ZodType> {
  readonly path: string;

  /** @param name of the file below the cache folder */
  constructor(
    name: string,
    private readonly schema: Schema,
  ) {
    this.path = join(cacheFolder(), name);
  }

  /** Undefined where there is none that can be read. */
  async read(): Promise<z.output<Schema> | undefined> {
    try {
      const bytes = await readRegularFileIfPresent(this.path, LIMIT);
      return bytes && this.schema.parse(JSON.parse(bytes.toString('utf8')));
    } catch {
      return undefined; // damaged, or of another release: measured again
    }
  }

  /**
   * Keeps a value unless there is one already.
   *
   * @returns the value that is kept; undefined where the folder cannot be written
   */
  async keep(value: z.input<Schema>): Promise<z.output<Schema> | undefined> {
    const beside = pathBeside(this.path, 'new');
    try {
      await makeFolder(dirname(this.path), PRIVATE_MODE);
      await writeFile(beside, textOf(value), { flag: 'wx', mode: 0o600 });
      // unlike a rename, a link never takes another one's place
      await link(beside, this.path).catch(() => undefined);
      return (await this.read()) ?? (await this.replace(value)); // a damaged file gives way
    } catch {
      return undefined;
    } finally {
      await rm(beside, { force: true }).catch(() => undefined);
    }
  }

  /** @returns the value; undefined where the folder cannot be written */
  async replace(value: z.input<Schema>): Promise<z.output<Schema> | undefined> {
    return writeAtomically(this.path, (write) => write(textOf(value))).then(
      () => this.schema.parse(value),
      () => undefined,
    );
  }
}

const textOf = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
