import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { Scalar, stringify } from 'yaml';
import { argumentsOf, noteOf, slotOf, unwrap } from './schema/fields.js';
import { configSchema, type Config } from './schema/schema.js';
import { Share } from './share.js';
import { listOption } from './union.js';

/**
 * The whole configuration with its defaults as YAML that `--config` reads again.
 *
 * @param forLightning leaves out keys that lightning-ir does not have, where they say nothing
 */
export function printConfig(config: Config, { forLightning = false } = {}): string {
  const printed = forLightning ? withoutOurs(config, configSchema) : config;
  return stringify(printable(printed), { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });
}

/** A value without our own keys at their defaults. */
function withoutOurs(value: unknown, schema: z.ZodType): unknown {
  if (Array.isArray(value)) {
    const inner = listOption(unwrap(schema));
    return inner ? value.map((item) => withoutOurs(item, inner.element as z.ZodType)) : value;
  }
  if (typeof value !== 'object' || value === null || value instanceof Share) return value;
  const { class_path: name, init_args: args } = value as { class_path?: unknown; init_args?: unknown };
  const slot = slotOf(schema);
  if (slot && typeof name === 'string') {
    return { class_path: name, init_args: withoutOurs(args, argumentsOf(slot, name)) };
  }
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodObject)) return value;
  const kept = Object.entries(value).filter(([key, inside]) => {
    const child = inner.shape[key] as z.ZodType;
    return !noteOf(child)?.isOurs || !isDeepStrictEqual(inside, child.safeParse(undefined).data);
  });
  return Object.fromEntries(kept.map(([key, inside]) => [key, withoutOurs(inside, inner.shape[key] as z.ZodType)]));
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
