import { formatFigure } from './figure.js';
import { prefixed, type MetricLogger } from './metric-logger.js';

export interface ConsoleLoggerOptions {
  /** Default: stderr. */
  stream?: NodeJS.WritableStream | undefined;
  /** Put before each name, with a dash. Default: nothing. */
  prefix?: string | undefined;
}

/** A line per log, such as `step 50: loss 0.6931, lr-AdamW 1e-5`. For output that is not a terminal: a bar is nicer there. */
export class ConsoleLogger implements MetricLogger {
  readonly #stream: NodeJS.WritableStream;
  readonly #prefix: string | undefined;

  constructor(options: ConsoleLoggerOptions = {}) {
    this.#stream = options.stream ?? process.stderr;
    this.#prefix = options.prefix;
  }

  async log(metrics: Readonly<Record<string, number>>, step: number): Promise<void> {
    const figures = Object.entries(prefixed(metrics, this.#prefix)).map(
      ([name, value]) => `${name} ${formatFigure(value)}`,
    );
    this.#stream.write(`step ${step}: ${figures.join(', ')}\n`);
  }

  async flush(): Promise<void> {
    // the stream is the caller's, and nothing is held back
  }

  async close(): Promise<void> {
    await this.flush();
  }
}
