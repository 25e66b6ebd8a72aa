import { Scalar, stringify } from 'yaml';
import { Share } from './share.js';
import type { Config } from './schema/schema.js';

/** The whole configuration with its defaults as YAML that `--config` reads again. */
export function printConfig(config: Config): string {
  return stringify(printable(config), { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });
}

/** A share keeps its dot: `1.0` is all batches and `1` is one. */
function printable(value: unknown): unknown {
  if (value instanceof Share) {
    const scalar = new Scalar(value.value);
    scalar.minFractionDigits = 1;
    return scalar;
  }
  if (Array.isArray(value)) return value.map(printable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, printable(inner)]));
}
