import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import { makeFolder } from '../io/make-folder.js';
import { refuseOverInput } from '../io/inputs.js';
import { writeAtomically } from '../io/atomic-write.js';
import { prefixed, type MetricLogger } from './metric-logger.js';

export interface CsvLoggerOptions {
  /** Prefix of each name, followed by a dash. Default: none. */
  prefix?: string | undefined;
  /** Step that a resumed run continues from: rows of later steps are removed. */
  resumedAt?: number | undefined;
}

type Row = Record<string, string>;

/** Non-finite numbers as in Python, which CSV readers understand. */
function numberCell(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return String(value);
}

const quoted = (name: string): string => (/[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

/** Parses the header; other rows contain only numbers, without quotes. */
function headCells(line: string): string[] {
  const cells = line.match(/"(?:[^"]|"")*"|[^,]+|(?<=^|,)(?=,|$)/g) ?? [];
  return cells.map((cell) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell));
}

/** Parses complete rows by column; skips rows cut off by a full disk or a kill. */
export function parseMetrics(text: string, path: string): { columns: string[]; rows: Row[] } {
  const [head = '', ...lines] = text
    .replace(/[^\n]*$/, '')
    .trimEnd()
    .split(/\r?\n/);
  const columns = headCells(head);
  if (!columns.includes('step')) {
    throw new RankDistillmError('bad_input', `${path}:1: this is not a metrics log: there is no column "step"`, {
      hint: 'It should be the metrics.csv of a fit. If a log is to be written here, choose another folder, or move the file away.',
    });
  }
  const rows = lines
    .map((line) => line.split(','))
    .filter((cells) => cells.length === columns.length)
    .map((cells) => Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? ''])));
  return { columns, rows };
}

function formatRow(columns: readonly string[], row: Row): string {
  return `${columns.map((column) => row[column] ?? '').join(',')}\n`;
}

/**
 * Writes Lightning's `metrics.csv`: one row per log, one column per metric in alphabetical order, empty cells for
 * missing values, numbers in full precision. A row is appended in one write; a new metric rewrites the file atomically.
 * An incomplete row of a killed run is removed when the file is reopened.
 */
export class CsvLogger implements MetricLogger {
  readonly #path: string;
  readonly #prefix: string | undefined;
  /** In file order; empty before the file exists. */
  #columns: string[] = [];
  #handle: FileHandle | undefined;

  private constructor(path: string, prefix: string | undefined) {
    this.#path = path;
    this.#prefix = prefix;
  }

  /**
   * Continues the `metrics.csv` of `folder`, or creates it at the first log.
   * @throws io when it cannot be read or written, bad_input when it is not a metrics log
   */
  static async open(folder: string, options: CsvLoggerOptions = {}): Promise<CsvLogger> {
    const logger = new CsvLogger(join(folder, 'metrics.csv'), options.prefix);
    refuseOverInput(logger.#path);
    await makeFolder(folder);
    const text = await logger.#text();
    if (!text) return logger;
    const { columns, rows } = parseMetrics(text, logger.#path);
    logger.#columns = columns;
    const { resumedAt = Number.POSITIVE_INFINITY } = options;
    const kept = rows.filter((row) => Number(row['step']) <= resumedAt);
    if (kept.length < rows.length || !text.endsWith('\n')) await logger.#rewrite(kept);
    await logger.#reopen();
    return logger;
  }

  async log(metrics: Readonly<Record<string, number>>, step: number): Promise<void> {
    const values = Object.entries({ ...prefixed(metrics, this.#prefix), step });
    const row: Row = Object.fromEntries(values.map(([name, value]) => [name, numberCell(value)]));
    if (Object.keys(row).some((name) => !this.#columns.includes(name))) {
      const text = await this.#text();
      const { columns, rows } = text ? parseMetrics(text, this.#path) : { columns: this.#columns, rows: [] };
      this.#columns = [...new Set([...columns, ...Object.keys(row)])].sort();
      await this.#rewrite([...rows, row]);
      await this.#reopen();
    } else {
      await this.#attempt(this.#handle?.appendFile(formatRow(this.#columns, row)));
    }
  }

  async flush(): Promise<void> {
    await this.#attempt(this.#handle?.datasync());
  }

  async close(): Promise<void> {
    await this.flush().finally(() => this.#handle?.close());
    this.#handle = undefined;
  }

  async #text(): Promise<string | undefined> {
    try {
      return await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw ioError('read', this.#path, error);
    }
  }

  async #rewrite(rows: readonly Row[]): Promise<void> {
    await writeAtomically(this.#path, async (write) => {
      await write(`${this.#columns.map(quoted).join(',')}\n`);
      for (const row of rows) await write(formatRow(this.#columns, row));
    });
  }

  async #reopen(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
    this.#handle = await this.#attempt(open(this.#path, 'a'));
  }

  async #attempt<T>(work: Promise<T> | undefined): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      throw ioError('write', this.#path, error);
    }
  }
}
