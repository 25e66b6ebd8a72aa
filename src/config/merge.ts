import { z } from 'zod';
import { RankDistillmError } from '../errors.js';
import { className } from './class-name.js';
import { placeText, toPlain, type ConfigNode, type ListNode, type MapEntry, type MapNode } from './node.js';
import { isFloatText, plainScalar } from './plain-scalar.js';
import { takesShare } from './schema/batch-limit.js';
import { allowsNull, argumentsOf, slotOf, unwrap, type Slot } from './schema/fields.js';
import { Share } from './share.js';
import { listOption, optionFor, weightedClass } from './union.js';

/**
 * Lays one source of the configuration over those before it and brings it into canonical form, the way jsonargparse
 * does: mappings merge key by key; a list replaces a list, but items at equal places of equally long lists merge;
 * `key+` appends; a class given by name or by its arguments alone becomes `class_path` with `init_args`; a change of
 * class keeps those arguments that the new class takes too. What does not fit the schema stays for `validate`.
 */
export function merge(
  base: ConfigNode | undefined,
  given: ConfigNode,
  schema: z.ZodType,
  path: readonly string[],
): ConfigNode {
  const update = unquoted(given, schema);
  const slot = slotOf(schema);
  if (slot) return mergeClass(base, update, slot, path);
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject || inner instanceof z.ZodRecord) {
    if (update.kind === 'scalar' && update.value === null && !allowsNull(schema)) {
      return base ?? { kind: 'map', entries: new Map(), place: update.place };
    }
    return update.kind === 'map' ? mergeMap(base, update, inner, path) : update;
  }
  if (inner instanceof z.ZodArray) return mergeList(base, update, inner.element as z.ZodType, path);
  const weighted = weightedClass(inner);
  if (weighted) {
    if (update.kind !== 'list') return merge(base, update, weighted.plain, path);
    const items = update.items.map((item, index) => {
      const itemSchema = weighted.tuple[index];
      return itemSchema ? merge(undefined, item, itemSchema, [...path, String(index)]) : item;
    });
    return { ...update, items };
  }
  if (takesShare(schema)) return asShare(update);
  const option = inner instanceof z.ZodUnion ? optionFor(inner, update, base) : undefined;
  return option ? merge(base, update, option, path) : asText(update, schema, inner);
}

/** The schema of a key, or undefined for an unknown one. */
export function childSchema(parent: z.ZodObject | z.ZodRecord, key: string): z.ZodType | undefined {
  if (parent instanceof z.ZodRecord) return parent.valueType as z.ZodType;
  return Object.hasOwn(parent.shape, key) ? (parent.shape[key] as z.ZodType) : undefined;
}

function mergeMap(
  base: ConfigNode | undefined,
  update: MapNode,
  schema: z.ZodObject | z.ZodRecord,
  path: readonly string[],
): MapNode {
  const entries = new Map<string, MapEntry>(base?.kind === 'map' ? base.entries : []);
  for (const [written, entry] of update.entries) {
    // a record's keys are names of the user's own, which may end so
    const appends = written.endsWith('+') && schema instanceof z.ZodObject;
    const key = appends ? written.slice(0, -1) : written;
    const child = childSchema(schema, key);
    if (!child) {
      entries.set(key, entry);
      continue;
    }
    const previous = entries.get(key)?.node;
    const childPath = [...path, key];
    const node = appends ? append(previous, entry, child, childPath) : merge(previous, entry.node, child, childPath);
    entries.set(key, { place: entry.place, node });
  }
  return { kind: 'map', entries, place: base?.kind === 'map' && update.override ? base.place : update.place };
}

function append(base: ConfigNode | undefined, entry: MapEntry, schema: z.ZodType, path: readonly string[]): ListNode {
  const list = listOption(unwrap(schema));
  if (!list) {
    throw new RankDistillmError('bad_input', `${placeText(entry.place)}: ${path.join('.')} is not a list`, {
      hint: 'Write the key without "+"; "+" appends to a list.',
    });
  }
  const before = base?.kind === 'list' ? base.items : base?.kind === 'map' ? [base] : [];
  const added = entry.node.kind === 'list' ? entry.node.items : [entry.node];
  const items = added.map((item, index) =>
    merge(undefined, item, list.element as z.ZodType, [...path, String(before.length + index)]),
  );
  return { kind: 'list', items: [...before, ...items], place: base?.place ?? entry.node.place };
}

function mergeList(
  base: ConfigNode | undefined,
  update: ConfigNode,
  element: z.ZodType,
  path: readonly string[],
): ConfigNode {
  const before = base?.kind === 'list' ? base.items : [];
  if (update.kind === 'map' && update.override) return changeItem(before, base, update, element, path);
  if (update.kind === 'scalar' && update.value === null) return update;
  const given = update.kind === 'list' ? update.items : [update];
  const items = given.map((item, index) =>
    merge(before.length === given.length ? before[index] : undefined, item, element, [...path, String(index)]),
  );
  return { kind: 'list', items, place: update.place };
}

/** `--list.2.key value` changes item 2, `--list.key value` the last one. */
function changeItem(
  before: ConfigNode[],
  base: ConfigNode | undefined,
  update: MapNode,
  element: z.ZodType,
  path: readonly string[],
): ListNode {
  const [first] = update.entries;
  const numbered = first !== undefined && /^\d+$/.test(first[0]);
  const index = numbered ? Number(first[0]) : Math.max(0, before.length - 1);
  if (numbered && index >= before.length) {
    throw new RankDistillmError(
      'bad_input',
      `${placeText(update.place)}: ${path.join('.')} has ${before.length} items, there is no item ${index}`,
      { hint: `Items count from 0; append one with --${path.join('.')}+=…` },
    );
  }
  const items = [...before];
  items[index] = merge(before[index], numbered ? first[1].node : update, element, [...path, String(index)]);
  return { kind: 'list', items, place: base?.place ?? update.place };
}

function mergeClass(base: ConfigNode | undefined, update: ConfigNode, slot: Slot, path: readonly string[]): ConfigNode {
  const named = update.kind === 'scalar' && typeof update.value === 'string';
  if (update.kind !== 'map' && !named) return update;
  const { name, namePlace, args, extra } = named
    ? { name: String(update.value), namePlace: update.place, args: [], extra: [] }
    : partsOfClass(update as MapNode);
  const before = baseClass(base);
  const written = name ?? before?.name ?? slot.implicit;
  const where = path.join('.');
  if (written === undefined) {
    throw new RankDistillmError('bad_input', `${placeText(update.place)}: ${where}: the class is missing`, {
      hint: `Add class_path, for example "class_path: ${slot.classes.keys().next().value}".`,
    });
  }
  const canonical = className(written, slot, namePlace ?? update.place, where);
  const schema = argumentsOf(slot, canonical);
  const kept = before ? keptArguments(before, canonical, schema) : new Map<string, MapEntry>();
  const place = update.place;
  const given: MapNode = { kind: 'map', entries: new Map(args), place };
  if (update.kind === 'map' && update.override) given.override = true;
  const initArgs = mergeMap({ kind: 'map', entries: kept, place }, given, schema, [...path, 'init_args']);
  const classPlace = namePlace ?? place;
  return {
    kind: 'map',
    entries: new Map<string, MapEntry>([
      ['class_path', { place: classPlace, node: { kind: 'scalar', value: canonical, place: classPlace } }],
      ['init_args', { place: initArgs.place, node: initArgs }],
      ...extra,
    ]),
    place: before && update.kind === 'map' && update.override ? (base as MapNode).place : place,
  };
}

/** Takes `class_path`, `init_args` and keys beside them apart; without `class_path` the keys are arguments. */
function partsOfClass(map: MapNode) {
  const classPath = map.entries.get('class_path');
  if (classPath && (classPath.node.kind !== 'scalar' || typeof classPath.node.value !== 'string')) {
    throw new RankDistillmError(
      'bad_input',
      `${placeText(classPath.place)}: class_path: expected the name of a class`,
      {
        hint: 'For example "class_path: RunDataset".',
      },
    );
  }
  const initArgs = map.entries.get('init_args');
  const inner = initArgs?.node;
  if (inner && inner.kind !== 'map' && !(inner.kind === 'scalar' && inner.value === null)) {
    throw new RankDistillmError('bad_input', `${placeText(initArgs.place)}: init_args: expected a mapping`, {
      hint: 'Put the arguments of the class below init_args, one "key: value" a line.',
    });
  }
  const rest = [...map.entries].filter(([key]) => key !== 'class_path' && key !== 'init_args');
  const named = classPath !== undefined;
  return {
    name: named ? String(toPlain(classPath.node)) : undefined,
    namePlace: classPath?.place,
    args: [...(inner?.kind === 'map' ? inner.entries : []), ...(named ? [] : rest)],
    extra: named ? rest : [],
  };
}

function baseClass(base: ConfigNode | undefined) {
  if (base?.kind !== 'map') return undefined;
  const name = base.entries.get('class_path')?.node;
  const args = base.entries.get('init_args')?.node;
  if (name?.kind !== 'scalar' || args?.kind !== 'map' || typeof name.value !== 'string') return undefined;
  return { name: name.value, entries: args.entries };
}

function keptArguments(
  before: { name: string; entries: Map<string, MapEntry> },
  name: string,
  schema: z.ZodObject | z.ZodRecord,
): Map<string, MapEntry> {
  if (before.name === name) return before.entries;
  if (schema instanceof z.ZodRecord) return new Map();
  return new Map(
    [...before.entries].filter(([key, entry]) => childSchema(schema, key)?.safeParse(toPlain(entry.node)).success),
  );
}

/** `1.0` is another thing than `1` where shares and counts are both taken. */
function asShare(update: ConfigNode): ConfigNode {
  if (update.kind !== 'scalar' || typeof update.value !== 'number') return update;
  const isShare = update.float === true || !Number.isInteger(update.value);
  return isShare ? { ...update, value: new Share(update.value) } : update;
}

/** A key that wants a number or a truth value reads text in quotes, too: `'1e-5'`. */
function unquoted(given: ConfigNode, schema: z.ZodType): ConfigNode {
  if (given.kind !== 'scalar' || typeof given.value !== 'string' || schema.safeParse(given.value).success) return given;
  const value = plainScalar(given.value);
  if (typeof value !== 'number' && typeof value !== 'boolean') return given;
  const fits = takesShare(schema) || schema.safeParse(value).success;
  return fits ? { ...given, value, ...(isFloatText(given.value) ? { float: true } : {}) } : given;
}

/** A key that wants text takes what was typed, so that `--model.model_name_or_path 123` is a name. */
function asText(update: ConfigNode, schema: z.ZodType, inner: z.ZodType): ConfigNode {
  if (update.kind !== 'scalar' || update.raw === undefined) return update;
  const wantsText = inner instanceof z.ZodString || inner instanceof z.ZodEnum;
  if (!wantsText || (update.value === null && allowsNull(schema))) return update;
  return { ...update, value: update.raw };
}
