import Table from 'cli-table3';

export interface TableOptions {
  /** Lines and bold heads for a person at a terminal; without, columns set apart by spaces. Default: stdout is a TTY. */
  decorated?: boolean;
}

/** A cell: numbers are right-aligned and shown with `digits` of their column, undefined is shown as `-`. */
export type Cell = string | number | undefined;

export interface Column {
  head: string;
  /** Digits after the point of numbers; as they are when absent. */
  digits?: number;
}

/** cli-table3 draws a line wherever a character is left; two spaces between columns are all that stays. */
const LINE_PARTS =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid';
const NO_LINES = { ...Object.fromEntries(LINE_PARTS.split(' ').map((part) => [part, ''])), middle: '  ' };

function show(cell: Cell, digits: number | undefined): string {
  if (cell === undefined) return '-';
  return typeof cell === 'number' && digits !== undefined ? cell.toFixed(digits) : String(cell);
}

/** A table as text, without a newline at the end. A column is right-aligned when its cells are numbers. */
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

export interface MetricsRow {
  /** A dataset or a run. */
  label: string;
  /** Values by measure name; a measure that a row lacks is shown as `-`. */
  values: Readonly<Record<string, number>>;
}

/** One row per dataset or run, one column per measure with four digits, in the order in which the rows name them. */
export function formatMetrics(labelHead: string, rows: readonly MetricsRow[], options: TableOptions = {}): string {
  const measures = [...new Set(rows.flatMap((row) => Object.keys(row.values)))];
  return formatTable(
    [{ head: labelHead }, ...measures.map((head) => ({ head, digits: 4 }))],
    rows.map((row) => [row.label, ...measures.map((measure) => row.values[measure])]),
    options,
  );
}
