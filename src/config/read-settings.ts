import { z } from 'zod';
import { docsPage, RankDistillmError } from '../errors.js';
import { describeType, describeValue, keyGroups } from './describe.js';
import { childSchema } from './merge.js';
import { nearestHint } from './nearest.js';
import { placeText, toPlain, type ConfigNode, type MapNode } from './node.js';
import { byOptionName, optionName, type ByOptionName } from './option-names.js';
import {
  allowsNull,
  argumentsOf,
  isLightningDefault,
  isOwnClass,
  noteOf,
  rulesOf,
  slotOf,
  unwrap,
  type KeyUse,
  type RuleBroken,
  type Slot,
} from './schema/fields.js';
import { expandPath, isPath } from './schema/paths.js';
import { SettingError, type SettingPath } from './setting-error.js';
import { optionFor, weightedClass } from './union.js';

export type Verb = Exclude<KeyUse, 'used' | 'ignored'>;

/** Options of the API that a schema of snake_case keys describes. */
export type OptionsOf<Schema extends z.ZodObject> = ByOptionName<z.input<Schema>>;
/** The same, checked and with all defaults. */
export type SettingsOf<Schema extends z.ZodObject> = ByOptionName<z.output<Schema>>;

export interface ReadOptions {
  /** Verb whose refusals and rules count. Default: types alone are checked. */
  verb?: Verb | undefined;
  /** Hears of a key that was given and means nothing here. */
  onIgnored?: ((path: string, place: string) => void) | undefined;
}

/**
 * Checks a configuration in canonical form against its schema and fills in the defaults. The first thing wrong is thrown
 * with file and line, the key, what was expected and what was received.
 *
 * @throws RankDistillmError; SettingError for a value that is refused although its type fits
 */
export function readConfigTree<T>(root: ConfigNode, schema: z.ZodType<T>, options: ReadOptions = {}): T {
  return new SettingsReader(inConfiguration, options).read(root, schema, []) as T;
}

const checkedBefore = new WeakSet<object>();

/**
 * Checks options of the API, given by their names there, and fills in the defaults. What this function returned passes
 * unread, so that functions which call each other can each check what they are given.
 *
 * @param path where the options stand in those of the caller, for example `['trainer']`
 * @throws SettingError
 */
export function checkOptions<Schema extends z.ZodObject>(
  schema: Schema,
  given: OptionsOf<Schema> | SettingsOf<Schema>,
  path: SettingPath = [],
): SettingsOf<Schema> {
  const names = path.map(String);
  return new SettingsReader(inOptions, {}).read(
    nodeOfOptions(given, schema, names),
    schema,
    names,
  ) as SettingsOf<Schema>;
}

/**
 * Settings of a checked configuration as the options of the API that `schema` describes. `checkOptions` lets them pass.
 *
 * @param values may hold other keys
 */
export function optionsFrom<Schema extends z.ZodObject>(schema: Schema, values: z.output<Schema>): SettingsOf<Schema> {
  const own = Object.entries(values).filter(([key]) => Object.hasOwn(schema.shape, key));
  return markChecked(Object.fromEntries(own)) as SettingsOf<Schema>;
}

function markChecked(values: Record<string, unknown>): Record<string, unknown> {
  const settings = byOptionName(values);
  checkedBefore.add(settings);
  return settings;
}

/** Options within options, for the types: at run time it is the schema itself. */
export function section<Schema extends z.ZodObject>(schema: Schema) {
  return schema as unknown as z.ZodType<SettingsOf<Schema>, OptionsOf<Schema> | SettingsOf<Schema>>;
}

/**
 * A caller's options as a tree without places; an option that is undefined was not given.
 *
 * @throws RankDistillmError for the name of a key where an option has another: the caller would not read it
 */
function nodeOfOptions(value: unknown, schema: z.ZodType, path: readonly string[]): ConfigNode {
  const place = { source: 'options' };
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    const items = value.map((item, i) => nodeOfOptions(item, inner.element as z.ZodType, [...path, String(i)]));
    return { kind: 'list', items, place };
  }
  if (!(inner instanceof z.ZodObject) || typeof value !== 'object' || value === null || checkedBefore.has(value)) {
    return { kind: 'scalar', value: value as null, place };
  }
  const keys = new Map(Object.keys(inner.shape).map((key) => [optionName(key), key]));
  const entries = Object.entries(value).flatMap(([name, inside]) => {
    if (inside === undefined) return [];
    const key = keys.get(name) ?? name;
    const child = childSchema(inner, key);
    if (child && !keys.has(name)) throw inOptions.unknown(name, '', Object.keys(inner.shape), path);
    return [[key, { place, node: nodeOfOptions(inside, child ?? z.unknown(), [...path, key]) }] as const];
  });
  return { kind: 'map', entries: new Map(entries), place };
}

/** How errors speak: of keys in a file, or of options that a program passed. */
interface Wording {
  wrong(node: ConfigNode, path: readonly string[], what: string, hint: string): Error;
  unknown(key: string, place: string, known: readonly string[], path: readonly string[], owner?: string): Error;
  missing(key: string, node: ConfigNode, path: readonly string[], schema: z.ZodType, owner?: string): Error;
  /** Hint about a value where nothing more exact is known. */
  fix: string;
  /** Hint about a value that should have been text. */
  asText: (this: void, value: unknown) => string;
}

const inConfiguration: Wording = {
  wrong({ place }, path, what, hint) {
    const key = path.join('.') || 'the configuration';
    const where = placeText(place);
    // an option is named by its key
    const prefix = where === `--${key}` ? where : `${where}: ${key}`;
    return new RankDistillmError('bad_input', `${prefix}: ${what}`, { hint });
  },
  unknown(key, place, known, path, owner) {
    const where = path.length === 0 ? '' : ` in ${path.join('.')}${owner ? ` (${owner})` : ''}`;
    const isOption = place === `--${key}`;
    return new RankDistillmError('bad_input', `${place}: unknown ${isOption ? 'option or ' : ''}key "${key}"${where}`, {
      hint:
        (isOption && sectionHint(key)) ||
        nearestHint(key, isOption ? [...known, ...COMMAND_LINE_OPTIONS] : known, 'key'),
    });
  },
  missing(key, { place }, path, schema, owner) {
    const where = owner ?? (path.join('.') || 'the configuration');
    return new RankDistillmError('bad_input', `${placeText(place)}: ${where} needs the key "${key}"`, {
      hint: hintToAdd(key, schema),
    });
  },
  fix: `Fix the value; ${docsPage('cli')} lists every key with its type.`,
  asText: (value) => `Put the value in quotes: "${String(value)}".`,
};

/** Classes whose arguments the command line sets below a section; of a list, those of its last item. */
const SECTIONS: Readonly<Record<string, readonly string[]>> = {
  trainer: ['trainer'],
  LightningIRDataModule: ['data'],
  CrossEncoderModule: ['model'],
  MonoConfig: ['model.config'],
  AdamW: ['optimizer'],
  RunDataset: ['data.inference_datasets', 'data.train_dataset'],
  ReRankCallback: ['trainer.callbacks'],
};

/** For a key of a section that was written without the section: `--max_steps`. */
function sectionHint(key: string): string | undefined {
  const owner = keyGroups().find(({ owner, rows }) => SECTIONS[owner] && rows.some((row) => row.key === key))?.owner;
  return owner && `The key is in a section: ${SECTIONS[owner]!.map((section) => `--${section}.${key}`).join(' or ')}.`;
}

/** Options of the command line that are no keys; a misspelt one looks like a key. */
const COMMAND_LINE_OPTIONS = ['config', 'print_config', 'help'];

const inOptions: Wording = {
  wrong: (_, path, what, hint) => new SettingError(path, what, { hint }),
  unknown: (key, _, known, path) =>
    new SettingError(path, `unknown option "${key}"`, {
      hint: known.includes(key)
        ? `The option is called "${optionName(key)}".`
        : nearestHint(key, known.map(optionName), 'option', docsPage('api')),
    }),
  missing: (key, _, path, schema) =>
    new SettingError(path, `needs the option "${optionName(key)}"`, { hint: hintToAdd(optionName(key), schema) }),
  fix: `Fix the value; ${docsPage('api')} describes the options.`,
  asText: () => 'Pass a string.',
};

function hintToAdd(name: string, schema: z.ZodType): string {
  return `Add "${name}" (${describeType(schema)}): ${noteOf(schema)?.doc ?? 'it has no default.'}`;
}

class SettingsReader {
  readonly #words: Wording;
  readonly #options: ReadOptions;

  constructor(words: Wording, options: ReadOptions) {
    this.#words = words;
    this.#options = options;
  }

  read(node: ConfigNode, schema: z.ZodType, path: readonly string[]): unknown {
    if (node.kind === 'scalar' && node.value === null && allowsNull(schema)) return null;
    if (node.kind === 'scalar' && checkedBefore.has(Object(node.value) as object)) return node.value;
    const slot = slotOf(schema);
    if (slot) return this.#class(this.#map(node, schema, path), slot, path);
    const inner = unwrap(schema);
    if (inner instanceof z.ZodObject) return this.#keys(this.#map(node, schema, path), inner, path);
    if (inner instanceof z.ZodRecord) {
      const entries = [...this.#map(node, schema, path).entries];
      return Object.fromEntries(
        entries.map(([key, entry]) => [key, this.read(entry.node, inner.valueType as z.ZodType, [...path, key])]),
      );
    }
    if (inner instanceof z.ZodArray && node.kind === 'list') {
      const items = this.#items(node.items, () => inner.element as z.ZodType, path);
      // how many numbers or names there may be
      const element = unwrap(inner.element as z.ZodType);
      const isPlain = element instanceof z.ZodNumber || element instanceof z.ZodString;
      if (isPlain && !schema.safeParse(toPlain(node)).success) throw this.#wrongType(node, schema, path);
      return items;
    }
    const weighted = weightedClass(inner);
    if (weighted && node.kind !== 'list') return this.read(node, weighted.plain, path);
    if (weighted && node.kind === 'list' && node.items.length === weighted.tuple.length) {
      return this.#items(node.items, (index) => weighted.tuple[index]!, path);
    }
    const option = inner instanceof z.ZodUnion && !weighted ? optionFor(inner, node) : undefined;
    if (option) return this.read(node, option, path);
    const { success, data } = schema.safeParse(toPlain(node));
    if (!success) throw this.#wrongType(node, schema, path);
    return this.#words === inConfiguration && isPath(schema) ? expandPath(data as string) : data;
  }

  #items(nodes: readonly ConfigNode[], schemaOf: (index: number) => z.ZodType, path: readonly string[]): unknown[] {
    return nodes.map((node, index) => this.read(node, schemaOf(index), [...path, String(index)]));
  }

  #map(node: ConfigNode, schema: z.ZodType, path: readonly string[]): MapNode {
    if (node.kind !== 'map') throw this.#wrongType(node, schema, path);
    return node;
  }

  #class(node: MapNode, slot: Slot, path: readonly string[]): unknown {
    const name = String(toPlain((node.entries.get('class_path') as { node: ConfigNode }).node));
    const args = node.entries.get('init_args')?.node as MapNode;
    const schema = argumentsOf(slot, name);
    for (const [key, entry] of node.entries) {
      if (key === 'class_path' || key === 'init_args') continue;
      const isArgument = childSchema(schema, key) !== undefined;
      throw new RankDistillmError(
        'bad_input',
        `${placeText(entry.place)}: unknown key "${key}" beside class_path in ${path.join('.')}`,
        { hint: isArgument ? `Move "${key}" below init_args.` : nearestHint(key, ['class_path', 'init_args'], 'key') },
      );
    }
    if (schema instanceof z.ZodRecord) {
      if (!isOwnClass(name)) this.#options.onIgnored?.(`${path.join('.')} (${name})`, placeText(node.place));
      return { class_path: name, init_args: toPlain(args) };
    }
    return { class_path: name, init_args: this.#keys(args, schema, [...path, 'init_args'], name) };
  }

  #keys(node: MapNode, schema: z.ZodObject, path: readonly string[], owner?: string): Record<string, unknown> {
    for (const [key, entry] of node.entries) {
      if (childSchema(schema, key)) continue;
      throw this.#words.unknown(key, placeText(entry.place), Object.keys(schema.shape), path, owner);
    }
    const values: Record<string, unknown> = {};
    for (const [key, field] of Object.entries(schema.shape)) {
      const child = field as z.ZodType;
      const entry = node.entries.get(key);
      const value = entry ? this.#given(entry, child, [...path, key]) : this.#default(node, key, child, path, owner);
      if (value !== undefined) values[key] = value;
    }
    for (const rule of rulesOf(schema)) this.#refuse(rule.use, path, [...rule.check(values)]);
    return this.#words === inOptions ? markChecked(values) : values;
  }

  #given(entry: { place: MapNode['place']; node: ConfigNode }, schema: z.ZodType, path: readonly string[]): unknown {
    const note = noteOf(schema);
    if (note?.use === 'ignored') {
      const value = toPlain(entry.node);
      if (!isLightningDefault(schema, value)) this.#options.onIgnored?.(path.join('.'), placeText(entry.place));
      return value;
    }
    const value = this.read(entry.node, schema, path);
    const { use = 'used', refused } = note ?? {};
    const what = refused?.what(value);
    if (what !== undefined) {
      this.#refuse(use, path, [{ path: [], what, hint: refused!.hint, code: refused!.code ?? 'unsupported' }]);
    }
    return value;
  }

  #refuse(use: KeyUse, path: readonly string[], refusals: readonly RuleBroken[]): void {
    const { verb } = this.#options;
    if (this.#words === inConfiguration && (verb === undefined || (use !== 'used' && use !== verb))) return;
    const [first] = refusals;
    if (first) throw new SettingError([...path, ...first.path], first.what, { hint: first.hint, code: first.code });
  }

  #default(node: MapNode, key: string, schema: z.ZodType, path: readonly string[], owner: string | undefined): unknown {
    const { success, data } = schema.safeParse(undefined);
    // options within options have their names and their mark, too, where all of them are defaults
    if (success && this.#words === inOptions && data !== undefined && unwrap(schema) instanceof z.ZodObject) {
      return this.read({ kind: 'map', entries: new Map(), place: node.place }, schema, [...path, key]);
    }
    if (success) return data;
    throw this.#words.missing(key, node, path, schema, owner);
  }

  #wrongType(node: ConfigNode, schema: z.ZodType, path: readonly string[]): Error {
    const what = `expected ${describeType(schema)}, received ${describeValue(node)}`;
    return this.#words.wrong(node, path, what, this.#hintFor(node, schema));
  }

  #hintFor(node: ConfigNode, schema: z.ZodType): string {
    const inner = unwrap(schema);
    const value = node.kind === 'scalar' ? node.value : undefined;
    if (inner instanceof z.ZodString && value !== undefined && value !== null && typeof value !== 'string') {
      return this.#words.asText(value);
    }
    if (inner instanceof z.ZodEnum && typeof value === 'string') {
      return nearestHint(value, inner.options.map(String), 'value');
    }
    const fallback = schema.safeParse(undefined);
    const shown = fallback.success && fallback.data !== null ? JSON.stringify(fallback.data) : undefined;
    // a mapping's defaults would fill the screen
    return shown !== undefined && shown.length <= 60
      ? `Fix the value, or leave it out for the default ${shown}.`
      : this.#words.fix;
  }
}
