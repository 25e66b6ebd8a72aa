/** Only spaces and tabs separate columns: ids may contain other Unicode white space, such as a no-break space. */
const GAP = /[ \t]+/;

/** The columns of a line, separated by spaces or tabs. */
export function columnsOf(line: string): string[] {
  const columns = line.split(GAP);
  // spaces at the edges; `/[ \t]+$/` would look at each space of a long gap again and again
  if (columns.length > 1 && columns.at(-1) === '') columns.pop();
  if (columns.length > 1 && columns[0] === '') columns.shift();
  return columns;
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const INTEGER = /^[+-]?\d+$/;

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
