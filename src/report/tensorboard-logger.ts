import { open, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ioError } from '../errors.js';
import { makeFolder } from '../io/make-folder.js';
import { prefixed, type MetricLogger } from './metric-logger.js';
import { encodeEvent, type TensorBoardEvent } from './tensorboard/event.js';
import { frameRecord } from './tensorboard/record.js';

export interface TensorBoardLoggerOptions {
  /** Prefix of each name, followed by a dash. Default: none. */
  prefix?: string | undefined;
  /** Step that a resumed run continues from: TensorBoard drops events of later steps. */
  resumedAt?: number | undefined;
  /** Milliseconds since 1970. */
  now?: (() => number) | undefined;
}

/** Makes names unique when a process opens several files within a second. */
let filesOpened = 0;

/**
 * Writes scalars (float32) to TensorBoard's event files. Each log is one write of complete records, and TensorBoard
 * stops at a truncated record, so a killed run leaves a readable file.
 */
export class TensorBoardLogger implements MetricLogger {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #prefix: string | undefined;
  readonly #now: () => number;

  private constructor(path: string, handle: FileHandle, options: TensorBoardLoggerOptions) {
    this.path = path;
    this.#handle = handle;
    this.#prefix = options.prefix;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Creates an event file in `folder`, and the folder if it does not exist.
   * @throws io when the folder cannot be written to
   */
  static async open(folder: string, options: TensorBoardLoggerOptions = {}): Promise<TensorBoardLogger> {
    const seconds = Math.floor((options.now ?? Date.now)() / 1000);
    const name = `events.out.tfevents.${String(seconds).padStart(10, '0')}.${hostname()}.${process.pid}.${filesOpened++}`;
    const path = join(folder, name);
    await makeFolder(folder);
    let handle: FileHandle;
    try {
      handle = await open(path, 'wx');
    } catch (error) {
      throw ioError('write', path, error);
    }
    const logger = new TensorBoardLogger(path, handle, options);
    const { resumedAt } = options;
    await logger.#write(
      resumedAt === undefined
        ? [{ fileVersion: 'brain.Event:2' }]
        : [
            { fileVersion: 'brain.Event:2', step: resumedAt + 1 },
            { sessionStart: true, step: resumedAt + 1 },
          ],
    );
    return logger;
  }

  async log(metrics: Readonly<Record<string, number>>, step: number): Promise<void> {
    const scalars = Object.entries(prefixed(metrics, this.#prefix));
    await this.#write(scalars.map(([tag, value]) => ({ step, scalar: { tag, value } })));
  }

  async flush(): Promise<void> {
    await this.#handle.datasync().catch((error: unknown) => {
      throw ioError('write', this.path, error);
    });
  }

  async close(): Promise<void> {
    await this.flush().finally(() => this.#handle.close());
  }

  async #write(events: readonly Omit<TensorBoardEvent, 'wallTime'>[]): Promise<void> {
    const wallTime = this.#now() / 1000;
    const records = events.map((event) => frameRecord(encodeEvent({ ...event, wallTime })));
    await this.#handle.appendFile(Buffer.concat(records)).catch((error: unknown) => {
      throw ioError('write', this.path, error);
    });
  }
}
