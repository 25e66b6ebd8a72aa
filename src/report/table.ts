import { styleText } from 'node:util';
import Table from 'cli-table3';
import { readable } from '../errors.js';

export interface TableOptions {
  /** Metrics of several rows: mark the best and the second of a column, for a terminal. Default false. */
  marked?: boolean;
  /** Draw lines and bold headers; otherwise separate columns by spaces. Default: whether stdout is a TTY. */
  decorated?: boolean;
}

/** A cell. Numbers are shown with the column's `digits`, undefined as `-`. */
export type Cell = string | number | undefined;

export interface Column {
  head: string;
  /** Decimal places of numbers; default: as many as needed. */
  digits?: number;
}

/** cli-table3 draws a line for every character that is set; keep only two spaces between columns. */
const LINE_PARTS =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid';
const NO_LINES = { ...Object.fromEntries(LINE_PARTS.split(' ').map((part) => [part, ''])), middle: '  ' };

function show(cell: Cell, digits: number | undefined): string {
  if (cell === undefined) return '-';
  if (typeof cell === 'string') return readable(cell); // ids come from files
  return digits === undefined ? String(cell) : cell.toFixed(digits);
}

/** Formats a table, without a trailing newline. Columns of numbers are right-aligned. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  options: TableOptions = {},
): string {
  const decorated = options.decorated ?? process.stdout.isTTY === true;
  const isNumeric = (i: number): boolean =>
    rows.some((row) => typeof row[i] === 'number') && rows.every((row) => typeof row[i] !== 'string');
  const table = new Table({
    head: columns.map((column) => column.head),
    colAligns: columns.map((_, i) => (isNumeric(i) ? 'right' : 'left')),
    style: {
      head: decorated ? ['bold'] : [],
      border: [],
      compact: true,
      ...(decorated ? {} : { 'padding-left': 0, 'padding-right': 0 }),
    },
    ...(decorated ? {} : { chars: NO_LINES }),
  });
  for (const row of rows) table.push(columns.map((column, i) => show(row[i], column.digits)));
  const text = table.toString();
  return decorated ? text : text.replace(/ +$/gm, '');
}

/** For cells of a column, larger is better: marks the best one and the second. */
export function markBest<T extends string | undefined>(
  cells: readonly T[],
  best: (text: string) => string,
  second: (text: string) => string,
): (T | string)[] {
  const ranked = [...new Set(cells.filter((cell) => cell !== undefined))].sort((a, b) => Number(b) - Number(a));
  return cells.map((cell) => {
    if (cell === undefined) return cell;
    return cell === ranked[0] ? best(cell) : cell === ranked[1] ? second(cell) : cell;
  });
}

/** The best of a column is bold on a terminal, the second underlined. */
export const TERMINAL_MARKS = [
  (text: string): string => styleText('bold', text),
  (text: string): string => styleText('underline', text),
] as const;

export interface MetricsRow {
  /** A dataset or a run. */
  label: string;
  /** Values by measure name; missing ones are shown as `-`. */
  values: Readonly<Record<string, number>>;
}

/** Formats one row per dataset or run and one column per measure, with four decimal places. */
export function formatMetrics(labelHead: string, rows: readonly MetricsRow[], options: TableOptions = {}): string {
  const measures = [...new Set(rows.flatMap((row) => Object.keys(row.values)))];
  const isMarked = options.marked === true && rows.length > 1;
  const columns = measures.map((measure): Cell[] => {
    const values = rows.map((row) => row.values[measure]);
    if (!isMarked) return values;
    const texts = values.map((value) => value?.toFixed(4));
    return markBest(texts, ...TERMINAL_MARKS);
  });
  return formatTable(
    [{ head: labelHead }, ...measures.map((head) => ({ head, digits: 4 }))],
    rows.map((row, i) => [row.label, ...columns.map((column) => column[i])]),
    options,
  );
}
