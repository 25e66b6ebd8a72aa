import { at, RankDistillmError } from '../../errors.js';
import type { Line } from '../../io/lines.js';

/**
 * ASCII's white space separates columns, as in trec_eval: spaces and tabs, and form feeds and vertical tabs. Ids may
 * contain other white space of Unicode, such as a no-break space.
 */
const GAP = /[ \t\v\f]+/;

/**
 * The columns of a line of a run or of qrels.
 *
 * @throws RankDistillmError for a carriage return, which ends a line in trec_eval's eyes and would join lines here, and
 *   for NUL, where trec_eval stops reading
 */
export function checkedColumns(line: Line, file: string): string[] {
  const found = /[\r\0]/.exec(line.text)?.[0];
  if (found === undefined) return columnsOf(line.text);
  const [what, hint] =
    found === '\r'
      ? ['the lines end in carriage returns alone', "Convert them with `tr '\\r' '\\n'`."]
      : ['the line contains a NUL byte', 'The file is damaged, or no text; copy or write it again.'];
  throw new RankDistillmError('bad_input', `${at(file, line.number)}: ${what}`, { hint });
}

/** The columns of a line, separated by white space. */
export function columnsOf(line: string): string[] {
  const columns = line.split(GAP);
  // spaces at the edges; `/\s+$/` would look at each space of a long gap again and again
  if (columns.length > 1 && columns.at(-1) === '') columns.pop();
  if (columns.length > 1 && columns[0] === '') columns.shift();
  return columns;
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
/** Also `1.0`, as pandas writes a column with gaps, and as trec_eval reads it. */
const INTEGER = /^[+-]?\d+(\.0*)?$/;

/** A finite decimal number, or undefined: no hexadecimal, no `NaN`, no `Infinity`, no empty text. */
export function parseDecimal(text: string): number | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** A whole number that a double holds exactly, or undefined. */
export function parseInteger(text: string): number | undefined {
  if (!INTEGER.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * The shortest decimal that reads back as the same float32, formatted as NumPy and Python do (`25.0`, `1e-05`), so that
 * runs look like those that lightning-ir writes with pandas.
 */
export function float32Text(value: number): string {
  const single = Math.fround(value);
  if (single === 0) return Object.is(single, -0) ? '-0.0' : '0.0';
  const digits = shortestDigits(single);
  const size = Math.abs(single);
  if (size < 1e-4 || size >= 1e16) return digits.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  const text = String(digits);
  return Number.isInteger(digits) ? `${text}.0` : text;
}

/** Nine significant digits identify every float32; `Number` drops the trailing zeros of six. */
function shortestDigits(single: number): number {
  for (let precision = 6; precision < 9; precision++) {
    const candidate = Number(single.toPrecision(precision));
    if (Math.fround(candidate) === single) return candidate;
  }
  return Number(single.toPrecision(9));
}
