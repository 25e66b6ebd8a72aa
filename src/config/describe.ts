import { z } from 'zod';
import type { ConfigNode } from './node.js';
import { allowsNull, noteOf, slotOf, unwrap, wordsOf, type KeyUse } from './schema/fields.js';
import { configSchema } from './schema/schema.js';
import { Share } from './share.js';

/** What a key takes, in words: `a whole number of at least 1, or null`. */
export function describeType(schema: z.ZodType): string {
  const words = withoutNull(unwrap(schema));
  return allowsNull(schema) && !(unwrap(schema) instanceof z.ZodUnknown) ? `${words}, or null` : words;
}

function withoutNull(inner: z.ZodType): string {
  const words = wordsOf(inner);
  if (words !== undefined) return words;
  const slot = slotOf(inner);
  if (slot) {
    const names = [...slot.classes.keys()];
    const known = names.length > 4 ? 'a class' : `a class (${names.join(', ')})`;
    return slot.takesOwn ? `${known} or one of your own (./my-loss.ts:MyLoss)` : known;
  }
  if (inner instanceof z.ZodString) return 'text';
  if (inner instanceof z.ZodBoolean) return 'true or false';
  if (inner instanceof z.ZodNumber) return describeNumber(inner);
  if (inner instanceof z.ZodEnum) return `one of ${inner.options.join(', ')}`;
  if (inner instanceof z.ZodLiteral) return describeLiteral([...inner.values]);
  if (inner instanceof z.ZodArray) return `a list (each ${describeType(inner.element as z.ZodType)})`;
  if (inner instanceof z.ZodTuple) return 'a [class, weight] pair';
  if (inner instanceof z.ZodUnion) return (inner.options as z.ZodType[]).map(describeType).join(' or ');
  if (inner instanceof z.ZodObject || inner instanceof z.ZodRecord) return 'a mapping';
  return 'anything';
}

function describeLiteral(values: unknown[]): string {
  const texts = [...new Set(values.map(String))];
  return texts.length === 1 ? String(texts[0]) : `one of ${texts.join(', ')}`;
}

function describeNumber(schema: z.ZodNumber): string {
  const noun = schema.format === 'safeint' ? 'a whole number' : 'a number';
  const bounded = (bound: number | null): bound is number =>
    bound !== null && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  const { minValue: least, maxValue: most } = schema;
  const parts: string[] = [];
  if (bounded(least)) parts.push(`${schema.safeParse(least).success ? 'of at least' : 'above'} ${least}`);
  if (bounded(most)) parts.push(`${schema.safeParse(most).success ? 'of at most' : 'below'} ${most}`);
  return [noun, parts.join(' and ')].filter(Boolean).join(' ');
}

/** What was written, in words: `text "abc"`. */
export function describeValue(node: ConfigNode): string {
  if (node.kind === 'list') return node.items.length === 0 ? 'an empty list' : 'a list';
  if (node.kind === 'map') return 'a mapping';
  if (typeof node.value === 'string') {
    const text = node.value.length > 60 ? `${node.value.slice(0, 57)}…` : node.value;
    return node.value === '' ? 'empty text' : `the text "${text}"`;
  }
  if (typeof node.value === 'number' || node.value instanceof Share) return `the number ${node.value}`;
  return String(node.value);
}

export interface KeyRow {
  /** Where the key stands: a path, or the class whose argument it is. */
  owner: string;
  key: string;
  type: string;
  default: string;
  use: KeyUse;
  doc: string;
}

/** Every key with its type, default and meaning, in the schema's order: the source of `docs/cli.md` and `--help`. */
export function keyRows(): KeyRow[] {
  const rows: KeyRow[] = [];
  const seen = new Set<string>();
  const visitObject = (owner: string, object: z.ZodObject): void => {
    if (seen.has(owner)) return;
    seen.add(owner);
    const inside: (() => void)[] = [];
    for (const [key, field] of Object.entries(object.shape)) {
      const schema = field as z.ZodType;
      const note = noteOf(schema);
      rows.push({
        owner,
        key,
        type: describeType(schema),
        default: defaultText(schema),
        use: note?.use ?? 'used',
        doc: note?.doc ?? '',
      });
      inside.push(() => visit(owner === '' ? key : `${owner}.${key}`, schema));
    }
    for (const next of inside) next();
  };
  const visit = (path: string, schema: z.ZodType): void => {
    const inner = unwrap(schema);
    const slot = slotOf(inner);
    if (slot) {
      for (const [name, args] of slot.classes) if (args instanceof z.ZodObject) visitObject(name, args);
    } else if (inner instanceof z.ZodObject) visitObject(path, inner);
    else if (inner instanceof z.ZodArray) visit(path, inner.element as z.ZodType);
    else if (inner instanceof z.ZodRecord) visit(`${path}.<id>`, inner.valueType as z.ZodType);
    else if (inner instanceof z.ZodUnion) for (const option of inner.options as z.ZodType[]) visit(path, option);
  };
  visitObject('', configSchema);
  return rows;
}

function isGroup(schema: z.ZodType): boolean {
  return unwrap(schema) instanceof z.ZodObject;
}

function defaultText(schema: z.ZodType): string {
  const result = schema.safeParse(undefined);
  if (!result.success) return 'required';
  // a group's default is all its keys' defaults, which have rows of their own
  return result.data === undefined || isGroup(schema) ? '' : JSON.stringify(result.data);
}
