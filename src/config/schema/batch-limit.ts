import { z } from 'zod';
import { Share } from '../share.js';
import { inWords, unwrap } from './fields.js';

const limits = new WeakSet<z.ZodType>();

/**
 * A number of batches, or a share of all. A configuration tells them apart by the dot, as Lightning does: `1` is one
 * batch, `1.0` is all. JavaScript has one kind of number, so the API writes `{ share: 1 }`.
 */
export function batchLimit(least: number) {
  const share = z.custom<Share>((value) => value instanceof Share && value.value >= 0 && value.value <= 1);
  const schema = inWords(
    z.union([
      z.int().min(least),
      share,
      z.strictObject({ batches: z.int().min(least) }),
      z.strictObject({ share: z.number().min(0).max(1) }),
    ]),
    `a whole number of batches of at least ${least} or a share from 0.0 to 1.0, written with a dot`,
  );
  limits.add(schema);
  return schema;
}

/** A checked number of batches, or share of all. */
export type BatchLimit = z.output<ReturnType<typeof batchLimit>>;

/** True where `1.0` and `1` are not the same. */
export function takesShare(schema: z.ZodType): boolean {
  return limits.has(unwrap(schema));
}
