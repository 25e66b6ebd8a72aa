/**
 * What an unquoted YAML scalar means: YAML 1.1 as PyYAML reads it, with jsonargparse's floats (`1e-5` is a number)
 * and without timestamps and base-60 numbers. `010` is octal and `yes` is true there, so they are here.
 */
export function plainScalar(text: string): string | number | boolean | null {
  if (/^(?:~|null|Null|NULL|)$/.test(text)) return null;
  if (/^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/.test(text)) return true;
  if (/^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/.test(text)) return false;
  return wholeNumber(text) ?? floatingNumber(text) ?? text;
}

function wholeNumber(text: string): number | undefined {
  const match = /^([-+]?)(?:(0b)([01_]+)|(0x)([0-9a-fA-F_]+)|(0)([0-7_]+)|(0|[1-9][0-9_]*))$/.exec(text);
  if (!match) return undefined;
  const [, sign, binary, bits, hex, nibbles, , octal, decimal] = match;
  const digits = (bits ?? nibbles ?? octal ?? decimal ?? '').replaceAll('_', '');
  const magnitude = Number.parseInt(digits, binary ? 2 : hex ? 16 : octal ? 8 : 10);
  if (Number.isNaN(magnitude)) return undefined;
  return sign === '-' ? 0 - magnitude : magnitude;
}

const FLOAT =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)$/;

/** True for a number that is written as one with a fraction, whatever its value: `1.0`, `1e3`. */
export function isFloatText(text: string): boolean {
  return wholeNumber(text) === undefined && FLOAT.test(text);
}

function floatingNumber(text: string): number | undefined {
  if (/^[-+]?\.(?:inf|Inf|INF)$/.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^\.(?:nan|NaN|NAN)$/.test(text)) return Number.NaN;
  return FLOAT.test(text) ? Number(text.replaceAll('_', '')) : undefined;
}
