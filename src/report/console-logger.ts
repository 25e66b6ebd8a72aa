import { formatFigure } from './figure.js';
import { prefixed, type MetricLogger } from './metric-logger.js';

export interface ConsoleLoggerOptions {
  /** Default: stderr. */
  stream?: NodeJS.WritableStream | undefined;
  /** Prefix of each name, followed by a dash. Default: none. */
  prefix?: string | undefined;
}

/** Prints a line per log, such as `step 50: loss 0.6931, lr-AdamW 1e-5`. On a terminal, prefer a progress bar. */
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
    // nothing is buffered here
  }

  async close(): Promise<void> {
    await this.flush();
  }
}
