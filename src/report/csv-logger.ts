import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import { makeFolder } from '../io/make-folder.js';
import { writeAtomically } from '../io/atomic-write.js';
import { prefixed, type MetricLogger } from './metric-logger.js';

export interface CsvLoggerOptions {
  /** Put before each name, with a dash. Default: nothing. */
  prefix?: string | undefined;
  /** Steps of an earlier run that this one goes on from: rows of later steps are removed. */
  resumedAt?: number | undefined;
}

type Row = Record<string, string>;

/** As Python writes them, which every reader of CSV files understands. */
function numberCell(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return String(value);
}

const quoted = (name: string): string => (/[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

/** Cells of the head; those of rows are numbers and need no quotes. */
function headCells(line: string): string[] {
  const cells = line.match(/"(?:[^"]|"")*"|[^,]+|(?<=^|,)(?=,|$)/g) ?? [];
  return cells.map((cell) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell));
}

function formatRow(columns: readonly string[], row: Row): string {
  return `${columns.map((column) => row[column] ?? '').join(',')}\n`;
}

/**
 * Lightning's `metrics.csv`: a row per log, a column per name there ever was in alphabetical order, with empty cells.
 * Numbers have all their digits. A row is appended in one write; when a new name comes, the file is written anew beside
 * and renamed. A row that a killed run left incomplete is removed when the file is opened again.
 */
export class CsvLogger implements MetricLogger {
  readonly #path: string;
  readonly #prefix: string | undefined;
  /** In the order of the file; empty: there is no file yet. */
  #columns: string[] = [];
  #handle: FileHandle | undefined;

  private constructor(path: string, prefix: string | undefined) {
    this.#path = path;
    this.#prefix = prefix;
  }

  /**
   * Goes on with the `metrics.csv` of `folder`, or starts one at the first log.
   * @throws io when it cannot be read or written, bad_input when it is no log
   */
  static async open(folder: string, options: CsvLoggerOptions = {}): Promise<CsvLogger> {
    const logger = new CsvLogger(join(folder, 'metrics.csv'), options.prefix);
    await makeFolder(folder);
    const text = await logger.#text();
    if (!text) return logger;
    const rows = logger.#parse(text);
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
      const rows = text ? this.#parse(text) : [];
      this.#columns = [...new Set([...this.#columns, ...Object.keys(row)])].sort();
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

  /** Whole rows by column; what a full disk or a kill cut off is left out. */
  #parse(text: string): Row[] {
    const [head = '', ...lines] = text
      .replace(/[^\n]*$/, '')
      .trimEnd()
      .split(/\r?\n/);
    this.#columns = headCells(head);
    if (!this.#columns.includes('step')) {
      throw new RankDistillmError(
        'bad_input',
        `${this.#path}:1: this is no log of metrics: there is no column "step"`,
        {
          hint: 'Choose another folder for the log, or move the file away.',
        },
      );
    }
    return lines
      .map((line) => line.split(','))
      .filter((cells) => cells.length === this.#columns.length)
      .map((cells) => Object.fromEntries(this.#columns.map((column, i) => [column, cells[i] ?? ''])));
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
