import { SettingError } from '../../config/setting-error.js';

const FIELD = /\{([^{}:]*)(?::([^{}]*))?\}/g;
/** The supported part of Python's format language: `02d`, `.2f`, `.3g`, `.1%`. */
const SPEC = /^(0?)(\d*)(?:\.(\d+))?([dfFeEgG%]?)$/;

/** More places would not fit into a name. */
const MOST_PLACES = 50;

const twoDigitExponent = (text: string): string => text.replace(/e([+-])(\d)$/, 'e$10$2');

/** Python's `g`: `precision` significant digits, no trailing zeros, an exponent for very small and large numbers. */
function general(value: number, precision: number): string {
  const digits = Math.max(precision, 1);
  const scientific = value.toExponential(digits - 1);
  const exponent = Number(scientific.slice(scientific.indexOf('e') + 1));
  if (exponent >= -4 && exponent < digits) {
    const fixed = value.toFixed(digits - 1 - exponent);
    return fixed.includes('.') ? fixed.replace(/\.?0+$/, '') : fixed;
  }
  return twoDigitExponent(scientific.replace(/\.?0+e/, 'e'));
}

function digitsOf(value: number, precision: string | undefined, type: string): string {
  const digits = precision === undefined ? 6 : Number(precision);
  switch (type.toLowerCase()) {
    case 'd':
      return String(Math.trunc(value));
    case 'f':
      return value.toFixed(digits);
    case 'e':
      return twoDigitExponent(value.toExponential(digits));
    case '%':
      return `${(value * 100).toFixed(digits)}%`;
    default:
      return type === '' && precision === undefined ? String(value) : general(value, digits);
  }
}

function formatNumber(value: number, spec: string): string {
  const match = SPEC.exec(spec);
  if (!match) throw badName('a number format such as .2f or 02d after the colon', spec);
  const [, zero, width = '', precision, type = ''] = match;
  if (Number(width) > MOST_PLACES || Number(precision ?? 0) > MOST_PLACES) {
    throw badName(`a number format of at most ${MOST_PLACES} places`, spec);
  }
  const text = Number.isFinite(value)
    ? digitsOf(Math.abs(value), precision, type)
    : String(Math.abs(value)).toLowerCase().replace('infinity', 'inf');
  const sign = value < 0 ? '-' : '';
  return zero ? sign + text.padStart(Number(width) - sign.length, '0') : (sign + text).padStart(Number(width), ' ');
}

/**
 * Formats a checkpoint's folder name by the rules of Lightning's ModelCheckpoint: `{epoch}-{val/loss:.2f}` becomes
 * `epoch=0-val_loss=0.25`. A missing metric is 0. Slashes become underscores, because dataset names contain them.
 * @param template `filename`; null: `{epoch}-{step}`
 * @throws bad_input for an unknown number format or an invalid folder name
 */
export function formatCheckpointName(
  template: string | null,
  values: Readonly<Record<string, number>>,
  insertName = true,
): string {
  const name = (template ?? '{epoch}-{step}')
    .replace(FIELD, (_, metric: string, spec: string | undefined) => {
      if (metric === '') throw badName('the name of a metric in the braces', template);
      const value = formatNumber(Object.hasOwn(values, metric) ? (values[metric] ?? 0) : 0, spec ?? '');
      return insertName ? `${metric}=${value}` : value;
    })
    .replace(/[/\\\p{Cc}]/gu, '_');
  if (/^\.{0,2}$/.test(name)) throw badName('a name for a folder', template);
  return name;
}

/** The longest name that a run of ordinary values makes of a template, in bytes of UTF-8. */
export function longestCheckpointName(template: string | null, insertName: boolean): string {
  const metrics = [...(template ?? '').matchAll(FIELD)].map(([, metric = '']) => metric);
  const names = [-1.234_567_890_123_456_7e-100, -1_234_567.890_123].map((value) => {
    const values = { ...Object.fromEntries(metrics.map((metric) => [metric, value])), epoch: 1e6, step: 1e9 };
    return `${formatCheckpointName(template, values, insertName)}-v99`;
  });
  const bytes = (name: string): number => Buffer.byteLength(name);
  return names.reduce((a, b) => (bytes(b) > bytes(a) ? b : a));
}

function badName(expected: string, received: string | null): SettingError {
  return new SettingError(['filename'], `expected ${expected}, received "${received}"`, {
    hint: 'Write a name such as {epoch}-{step}-{loss:.2f}.',
  });
}
