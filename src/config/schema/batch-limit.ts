import { z } from 'zod';
import { Share } from '../share.js';
import { inWords, unwrap } from './fields.js';

const limits = new WeakSet<z.ZodType>();

/** A number of batches, or a share of all, which is written with a dot: `1` is one batch, `1.0` is all. */
export function batchLimit(least: number) {
  const share = z.custom<Share>((value) => value instanceof Share && value.value >= 0 && value.value <= 1);
  const schema = inWords(
    z.union([z.int().min(least), share]),
    `a whole number of batches of at least ${least} or a share from 0.0 to 1.0, written with a dot`,
  );
  limits.add(schema);
  return schema;
}

/** True where `1.0` and `1` are not the same. */
export function takesShare(schema: z.ZodType): boolean {
  return limits.has(unwrap(schema));
}
