import { z } from 'zod';
import type { ConfigNode } from './node.js';
import { slotOf, unwrap } from './schema/fields.js';

/**
 * The option of a union that a node is meant for, told by its kind; undefined where the value stands for itself.
 * `trainer.logger` takes true, a class or a list of classes.
 *
 * @param base what stood there before: a dotted override changes an item of a list
 */
export function optionFor(union: z.ZodUnion, node: ConfigNode, base?: ConfigNode): z.ZodType | undefined {
  const options = union.options as readonly z.ZodType[];
  const list = options.find((option) => unwrap(option) instanceof z.ZodArray);
  const place = options.find((option) => slotOf(option) !== undefined);
  if (node.kind === 'list') return list;
  if (node.kind === 'scalar') return typeof node.value === 'string' ? place : undefined;
  if (node.override && base?.kind === 'list') return list;
  return place ?? options.find((option) => unwrap(option) instanceof z.ZodObject);
}

/** The list a schema takes, directly or as an option of a union. */
export function listOption(inner: z.ZodType): z.ZodArray | undefined {
  if (inner instanceof z.ZodArray) return inner;
  if (!(inner instanceof z.ZodUnion)) return undefined;
  return (inner.options as readonly z.ZodType[]).map(unwrap).find((option) => option instanceof z.ZodArray);
}

/** A union of a class and a `[class, weight]` pair, taken apart; undefined for any other schema. */
export function weightedClass(inner: z.ZodType): { plain: z.ZodType; tuple: readonly z.ZodType[] } | undefined {
  if (!(inner instanceof z.ZodUnion)) return undefined;
  const options = inner.options as readonly z.ZodType[];
  const tuple = options.find((option) => option instanceof z.ZodTuple);
  const plain = options.find((option) => slotOf(option) !== undefined);
  return tuple && plain ? { plain, tuple: tuple.def.items as unknown as readonly z.ZodType[] } : undefined;
}
