/** Only space and tab part columns: ids may hold other Unicode white space, such as a no-break space. */
const GAP = /[ \t]+/;
const EDGES = /^[ \t]+|[ \t]+$/g;

/** The columns of a line, separated by spaces or tabs. */
export function columnsOf(line: string): string[] {
  return line.replace(EDGES, '').split(GAP);
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
 * A float32 in the fewest digits that read back as the same float32, laid out as NumPy and Python print it (`25.0`,
 * `1e-05`): what pandas writes into lightning-ir's run files.
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

/** Nine significant digits always tell float32 values apart, six are never too many. */
function shortestDigits(single: number): number {
  for (let precision = 6; precision < 9; precision++) {
    const candidate = Number(single.toPrecision(precision));
    if (Math.fround(candidate) === single) return candidate;
  }
  return Number(single.toPrecision(9));
}
