import { z } from 'zod';

/**
 * Who reads a key.
 * - `used`: re_rank and fit
 * - `fit`: training only; other verbs accept it in silence
 * - `ignored`: Lightning's, without a meaning here; accepted with a warning
 */
export type KeyUse = 'used' | 'fit' | 'ignored';

interface KeyNote {
  doc: string;
  use: KeyUse;
}

const notes = z.registry<KeyNote>();

/** Documents a key, and says who reads it. Apply it last: wrappers such as `.default()` make a new schema. */
export function key<T extends z.ZodType>(schema: T, doc: string, use: KeyUse = 'used'): T {
  notes.add(schema, { doc, use });
  return schema;
}

export function noteOf(schema: z.ZodType): KeyNote | undefined {
  return notes.get(schema);
}

/** A key of Lightning that is accepted and does nothing. */
export function ignored(doc = 'Lightning only; does nothing here.') {
  return key(z.unknown().optional(), doc, 'ignored');
}

/** The same shape as `names`, every key ignored. */
export function allIgnored<const N extends string>(names: readonly N[]): Record<N, ReturnType<typeof ignored>> {
  return Object.fromEntries(names.map((name) => [name, ignored()])) as Record<N, ReturnType<typeof ignored>>;
}

/** A class of the configuration: `class_path: <name>` with `init_args`. */
export function classSpec<const N extends string, S extends z.ZodRawShape>(name: N, doc: string, shape: S) {
  return key(z.strictObject({ class_path: z.literal(name), init_args: z.strictObject(shape) }), doc);
}

/** Classes that share a treatment and whose arguments are not looked at. */
export function openClasses<const N extends string>(names: readonly N[], doc: string) {
  return key(z.strictObject({ class_path: z.enum(names), init_args: z.record(z.string(), z.unknown()) }), doc);
}

interface SlotNote {
  /** Class meant where `class_path` is left out. */
  implicit: string | undefined;
  /** Other names of a class. */
  aliases: Readonly<Record<string, string>>;
}

const slots = z.registry<SlotNote>();

type ClassSchema = z.ZodObject<{
  class_path: z.ZodLiteral<string> | z.ZodEnum<Record<string, string>>;
  init_args: z.ZodObject | z.ZodRecord<z.ZodString, z.ZodUnknown>;
}>;

/** A place for one of some classes. */
export function slot<const T extends readonly [ClassSchema, ...ClassSchema[]]>(
  classes: T,
  options: { implicit?: string; aliases?: Record<string, string> } = {},
) {
  const schema = z.discriminatedUnion('class_path', classes as unknown as [T[number], ...T[number][]]);
  slots.add(schema, { implicit: options.implicit, aliases: options.aliases ?? {} });
  return schema;
}

/** Takes `.default()`, `.optional()`, `.nullable()` off. */
export function unwrap(schema: z.ZodType): z.ZodType {
  let inner = schema;
  while (
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodNullable ||
    inner instanceof z.ZodPrefault
  ) {
    inner = inner.unwrap() as z.ZodType;
  }
  return inner;
}

/** True when `null` is a value of the key. */
export function allowsNull(schema: z.ZodType): boolean {
  return schema.safeParse(null).success;
}

export interface Slot extends SlotNote {
  /** Class name to its arguments; a record for classes whose arguments are not looked at. */
  classes: Map<string, z.ZodObject | z.ZodRecord>;
}

/** The classes a place takes, or undefined when the schema is no such place. */
export function slotOf(schema: z.ZodType): Slot | undefined {
  const inner = unwrap(schema);
  const note = slots.get(inner);
  if (!note || !(inner instanceof z.ZodDiscriminatedUnion)) return undefined;
  const classes = new Map<string, z.ZodObject | z.ZodRecord>();
  for (const option of inner.options as unknown as ClassSchema[]) {
    const names = option.shape.class_path;
    const list = names instanceof z.ZodLiteral ? [...names.values] : names.options;
    for (const name of list) classes.set(String(name), option.shape.init_args);
  }
  return { ...note, classes };
}
