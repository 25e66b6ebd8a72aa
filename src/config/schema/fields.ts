import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { ErrorCode } from '../../errors.js';

/**
 * The verb that reads a key.
 * - `used`: re_rank and fit
 * - `fit`, `re_rank`: that verb; the other accepts the key without a word
 * - `ignored`: a key of Lightning that has no meaning here; accepted with a warning unless it has Lightning's default
 */
export type KeyUse = 'used' | 'fit' | 're_rank' | 'ignored';

/** Values of a key that have the right type and are refused by the verb that reads it. */
export interface Refused<Value = unknown> {
  /** Says why; undefined for a value that is accepted. */
  what: (value: Value) => string | undefined;
  hint: string;
  /** Default `unsupported`. */
  code?: ErrorCode;
}

interface KeyNote {
  doc: string;
  use: KeyUse;
  refused?: Refused | undefined;
  /** Of an ignored key: Lightning's default. */
  lightning?: unknown;
  /** Neither Lightning nor lightning-ir has the key: files that they are to read leave out its default. */
  isOurs?: boolean;
}

const notes = z.registry<KeyNote>();

/**
 * Declares a setting beside its schema, which gives its type, range and default: one sentence on its meaning, the verb
 * that reads it, and the values that are refused. Apply it last: wrappers such as `.default()` make a new schema.
 */
export function key<T extends z.ZodType>(
  schema: T,
  doc: string,
  use: KeyUse = 'used',
  refused?: Refused<z.output<T>>,
): T {
  notes.add(schema, { doc, use, refused: refused as Refused | undefined });
  return schema;
}

/** Declares a setting that neither Lightning nor lightning-ir has. */
export function ours<T extends z.ZodType>(schema: T, doc: string, use: KeyUse = 'used'): T {
  notes.add(schema, { doc: `${doc} Not in lightning-ir.`, use, isOurs: true });
  return schema;
}

/** Refuses every value but the one that does nothing. */
export function onlyDefault(what: string, hint: string, ...defaults: readonly unknown[]): Refused {
  return { what: (value) => (value === null || defaults.includes(value) ? undefined : what), hint };
}

/** Settings that exclude each other, or that need each other. */
export interface Rule {
  use: KeyUse;
  check: (settings: Record<string, unknown>) => Iterable<RuleBroken>;
}

export interface RuleBroken {
  /** The key to name, from where the rule's object stands. */
  path: readonly (string | number)[];
  /** Writes the names of other keys as `$max_steps`. */
  what: string;
  hint: string;
  /** Default `bad_input`. */
  code?: ErrorCode;
}

const rules = new WeakMap<z.ZodType, Rule[]>();

/** Adds a rule on several keys of an object. The first that is broken is reported. */
export function withRule<Schema extends z.ZodObject>(
  schema: Schema,
  use: KeyUse,
  check: (settings: z.output<Schema>) => Iterable<RuleBroken>,
): Schema {
  rules.set(schema, [...rulesOf(schema), { use, check: check as Rule['check'] }]);
  return schema;
}

/** A schema with more keys, and the same rules. */
export function extended<Base extends z.ZodRawShape, Shape extends z.ZodRawShape>(
  base: z.ZodObject<Base, z.core.$strict>,
  shape: Shape,
) {
  const schema = z.strictObject({ ...base.shape, ...shape });
  rules.set(schema, [...rulesOf(base)]);
  return schema;
}

export function rulesOf(schema: z.ZodType): readonly Rule[] {
  return rules.get(schema) ?? [];
}

export function noteOf(schema: z.ZodType): KeyNote | undefined {
  return notes.get(schema);
}

/** A key of Lightning that is accepted and does nothing. */
export function ignored(doc = 'Lightning only; does nothing here.', lightning?: unknown) {
  const schema = z.unknown().optional();
  notes.add(schema, { doc, use: 'ignored', lightning });
  return schema;
}

/** Ignored keys with their defaults in Lightning. */
export function allIgnored<const N extends string>(
  defaults: Record<N, unknown>,
): Record<N, ReturnType<typeof ignored>> {
  const entries = Object.entries(defaults).map(([name, value]) => [name, ignored(undefined, value)]);
  return Object.fromEntries(entries) as Record<N, ReturnType<typeof ignored>>;
}

/** Whether an ignored key says nothing that Lightning would not do without it. */
export function isLightningDefault(schema: z.ZodType, value: unknown): boolean {
  return value === null || isDeepStrictEqual(value, noteOf(schema)?.lightning);
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
export function classSpec<const N extends string, S extends z.ZodRawShape>(
  name: N,
  doc: string,
  args: S | z.ZodObject<S, z.core.$strict>,
) {
  const initArgs = args instanceof z.ZodObject ? args : z.strictObject(args);
  return key(z.strictObject({ class_path: z.literal(name), init_args: initArgs }), doc);
}

/** Classes that share a treatment and whose arguments are not looked at. */
export function openClasses<const N extends string>(names: readonly N[], doc: string) {
  return key(z.strictObject({ class_path: z.enum(names), init_args: z.record(z.string(), z.unknown()) }), doc);
}

/** A class in a module of the user's: `./my-loss.ts:MyLoss`. */
export const OWN_CLASS = /^.+\.[cm]?[jt]s:[A-Za-z_$][\w$]*$/;

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
  /** Class name to its sentence. */
  docs: ReadonlyMap<string, string>;
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
  const docs = new Map<string, string>();
  for (const spec of specs) {
    const names = spec.shape.class_path;
    const list = names instanceof z.ZodLiteral ? [...names.values] : names.options;
    for (const name of list) {
      classes.set(String(name), spec.shape.init_args);
      docs.set(String(name), noteOf(spec)?.doc ?? '');
    }
  }
  slots.set(schema, { implicit: options.implicit, aliases: options.aliases ?? {}, classes, docs, takesOwn });
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
