import { z } from 'zod';
import type { ConfigNode } from './node.js';
import { allowsNull, noteOf, slotOf, unwrap, wordsOf, type KeyUse, type Slot } from './schema/fields.js';
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
    return slot.takesOwn ? `${known} or a custom one (./my-loss.ts:MyLoss)` : known;
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

/** Keys that stand together: those of a section, or the arguments of a class. */
export interface KeyGroup {
  /** A path, or the name of a class. */
  owner: string;
  doc: string;
  rows: KeyRow[];
  /** Of a place for one of several classes: each with its sentence. */
  classes?: ReadonlyMap<string, string>;
}

/** Every key with its type, default and meaning, in the schema's order: the source of `docs/cli.md` and `--help`. */
export function keyGroups(): KeyGroup[] {
  const groups = new Map<string, KeyGroup>();
  const visitObject = (owner: string, doc: string, object: z.ZodObject): void => {
    if (groups.has(owner)) return;
    groups.set(owner, { owner, doc, rows: rowsOf(owner, object) });
    for (const [key, field] of Object.entries(object.shape)) {
      visit(owner === '' ? key : `${owner}.${key}`, field as z.ZodType);
    }
  };
  const visit = (path: string, schema: z.ZodType): void => {
    const inner = unwrap(schema);
    const slot = slotOf(inner);
    if (slot) {
      for (const [name, args] of slot.classes) {
        if (args instanceof z.ZodObject) visitObject(name, slot.docs.get(name) ?? '', args);
      }
    } else if (inner instanceof z.ZodObject) visitObject(path, noteOf(schema)?.doc ?? '', inner);
    else if (inner instanceof z.ZodRecord) visit(`${path}.<id>`, inner.valueType as z.ZodType);
    else for (const part of partsOf(inner)) visit(path, part);
  };
  visitObject('', '', configSchema);
  return [...groups.values()];
}

/** What stands at a path of a configuration, with or without `init_args`: a group of keys, or one key. */
export function keyGroupAt(path: string): KeyGroup | undefined {
  let schema: z.ZodType = configSchema;
  for (const key of path.split('.')) {
    if (key === 'init_args' || /^\d+$/.test(key)) continue;
    const child = childOf(schema, key);
    if (!child) return undefined;
    schema = child;
  }
  const doc = noteOf(schema)?.doc ?? '';
  const slot = slotIn(schema);
  if (slot && slot.classes.size > 1) return { owner: path, doc, rows: [], classes: slot.docs };
  const object = slot ? [...slot.classes.values()][0] : unwrap(schema);
  if (object instanceof z.ZodObject) return { owner: path, doc, rows: rowsOf(path, object) };
  return { owner: path, doc: '', rows: [rowOf(path, path.split('.').at(-1)!, schema)] };
}

function childOf(schema: z.ZodType, key: string): z.ZodType | undefined {
  const inner = unwrap(schema);
  const slot = slotOf(inner);
  const objects = slot ? [...slot.classes.values()] : [inner];
  for (const object of objects) {
    if (object instanceof z.ZodObject && Object.hasOwn(object.shape, key)) return object.shape[key] as z.ZodType;
    if (object instanceof z.ZodRecord && !slot) return object.valueType as z.ZodType;
  }
  return slot ? undefined : partsOf(inner).flatMap((part) => childOf(part, key) ?? [])[0];
}

function slotIn(schema: z.ZodType): Slot | undefined {
  const inner = unwrap(schema);
  return slotOf(inner) ?? partsOf(inner).flatMap((part) => slotIn(part) ?? [])[0];
}

/** What a list or a union is made of. */
function partsOf(inner: z.ZodType): readonly z.ZodType[] {
  if (inner instanceof z.ZodArray) return [inner.element as z.ZodType];
  return inner instanceof z.ZodUnion ? (inner.options as z.ZodType[]) : [];
}

export function rowsOf(owner: string, object: z.ZodObject): KeyRow[] {
  return Object.entries(object.shape).map(([key, field]) => rowOf(owner, key, field as z.ZodType));
}

function rowOf(owner: string, key: string, schema: z.ZodType): KeyRow {
  const { use = 'used', doc = '' } = noteOf(schema) ?? {};
  return { owner, key, type: describeType(schema), default: defaultText(schema), use, doc };
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
