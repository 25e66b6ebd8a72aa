import { z } from 'zod';

/**
 * Who reads a key.
 * - `used`: re_rank and fit
 * - `fit`, `re_rank`: one of them; the other verbs accept it in silence
 * - `ignored`: Lightning's, without a meaning here; accepted with a warning
 */
export type KeyUse = 'used' | 'fit' | 're_rank' | 'ignored';

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

const words = new WeakMap<z.ZodType, string>();

/** Says in words what a schema takes, where its parts do not say it well. Apply it before `.nullable()` and such. */
export function inWords<T extends z.ZodType>(schema: T, text: string): T {
  words.set(schema, text);
  return schema;
}

export function wordsOf(schema: z.ZodType): string | undefined {
  return words.get(unwrap(schema));
}

/** A class of the configuration: `class_path: <name>` with `init_args`. */
export function classSpec<const N extends string, S extends z.ZodRawShape>(name: N, doc: string, shape: S) {
  return key(z.strictObject({ class_path: z.literal(name), init_args: z.strictObject(shape) }), doc);
}

/** Classes that share a treatment and whose arguments are not looked at. */
export function openClasses<const N extends string>(names: readonly N[], doc: string) {
  return key(z.strictObject({ class_path: z.enum(names), init_args: z.record(z.string(), z.unknown()) }), doc);
}

/** A class in a module of the user's: `./my-loss.ts:MyLoss`. */
const OWN_CLASS = /^.+\.[cm]?[jt]s:[A-Za-z_$][\w$]*$/;

export function isOwnClass(name: string): boolean {
  return OWN_CLASS.test(name);
}

const ownArguments = z.record(z.string(), z.unknown());
const ownClass = z.strictObject({ class_path: z.string().regex(OWN_CLASS), init_args: ownArguments });

interface SlotOptions {
  /** Class meant where `class_path` is left out. */
  implicit?: string;
  /** Other names of a class. */
  aliases?: Record<string, string>;
}

export interface Slot {
  implicit: string | undefined;
  aliases: Readonly<Record<string, string>>;
  /** Class name to its arguments; a record for classes whose arguments are not looked at. */
  classes: ReadonlyMap<string, z.ZodObject | z.ZodRecord>;
  /** True where classes of the user's modules fit, too. */
  takesOwn: boolean;
}

const slots = new WeakMap<z.ZodType, Slot>();

type ClassSchema = z.ZodObject<{
  class_path: z.ZodLiteral<string> | z.ZodEnum<Record<string, string>>;
  init_args: z.ZodObject | z.ZodRecord<z.ZodString, z.ZodUnknown>;
}>;
type ClassSchemas = readonly [ClassSchema, ...ClassSchema[]];

function note(schema: z.ZodType, specs: ClassSchemas, options: SlotOptions, takesOwn: boolean): void {
  const classes = new Map<string, z.ZodObject | z.ZodRecord>();
  for (const spec of specs) {
    const names = spec.shape.class_path;
    const list = names instanceof z.ZodLiteral ? [...names.values] : names.options;
    for (const name of list) classes.set(String(name), spec.shape.init_args);
  }
  slots.set(schema, { implicit: options.implicit, aliases: options.aliases ?? {}, classes, takesOwn });
}

/** A place for one of some classes. */
export function slot<const T extends ClassSchemas>(classes: T, options: SlotOptions = {}) {
  const schema = z.discriminatedUnion('class_path', classes as unknown as [T[number], ...T[number][]]);
  note(schema, classes, options, false);
  return schema;
}

/** A place for one of some classes or a class of the user's own. */
export function slotWithOwn<const T extends ClassSchemas>(classes: T, options: SlotOptions = {}) {
  const known = z.discriminatedUnion('class_path', classes as unknown as [T[number], ...T[number][]]);
  const schema = z.union([known, ownClass]);
  note(schema, classes, options, true);
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

/** The classes a place takes, or undefined when the schema is no such place. */
export function slotOf(schema: z.ZodType): Slot | undefined {
  return slots.get(unwrap(schema));
}

/** The arguments of a class that `className` let through. */
export function argumentsOf(slot: Slot, name: string): z.ZodObject | z.ZodRecord {
  return slot.classes.get(name) ?? ownArguments;
}
