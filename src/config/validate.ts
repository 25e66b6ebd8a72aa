import { z } from 'zod';
import { RankDistillmError } from '../errors.js';
import { describeType, describeValue } from './describe.js';
import { childSchema } from './merge.js';
import { nearestHint } from './nearest.js';
import { placeText, toPlain, type ConfigNode, type MapNode } from './node.js';
import { allowsNull, argumentsOf, isOwnClass, noteOf, slotOf, unwrap, type Slot } from './schema/fields.js';
import { optionFor, weightedClass } from './union.js';

/** Says that a key was given which means nothing here. */
export type OnIgnored = (path: string, place: string) => void;

/**
 * Checks a canonical tree against the schema. The first thing wrong is thrown with file and line, the key, what was
 * expected and what was received.
 */
export function validate(node: ConfigNode, schema: z.ZodType, path: readonly string[], onIgnored: OnIgnored): void {
  if (node.kind === 'scalar' && node.value === null && allowsNull(schema)) return;
  const slot = slotOf(schema);
  const inner = unwrap(schema);
  if (slot) {
    if (node.kind !== 'map') throw wrongType(node, schema, path);
    validateClass(node, slot, path, onIgnored);
  } else if (inner instanceof z.ZodObject || inner instanceof z.ZodRecord) {
    if (node.kind !== 'map') throw wrongType(node, schema, path);
    validateKeys(node, inner, path, onIgnored);
  } else if (inner instanceof z.ZodArray) {
    if (node.kind !== 'list') throw wrongType(node, schema, path);
    node.items.forEach((item, index) =>
      validate(item, inner.element as z.ZodType, [...path, String(index)], onIgnored),
    );
    if (!schema.safeParse(toPlain(node)).success) throw wrongType(node, schema, path);
  } else {
    validateValue(node, schema, path, onIgnored);
  }
}

function validateValue(node: ConfigNode, schema: z.ZodType, path: readonly string[], onIgnored: OnIgnored): void {
  const inner = unwrap(schema);
  const weighted = weightedClass(inner);
  if (weighted && node.kind !== 'list') return validate(node, weighted.plain, path, onIgnored);
  if (weighted && node.kind === 'list' && node.items.length === weighted.tuple.length) {
    return node.items.forEach((item, index) =>
      validate(item, weighted.tuple[index] as z.ZodType, [...path, String(index)], onIgnored),
    );
  }
  const option = inner instanceof z.ZodUnion && !weighted ? optionFor(inner, node) : undefined;
  if (option) validate(node, option, path, onIgnored);
  else if (!schema.safeParse(toPlain(node)).success) throw wrongType(node, schema, path);
}

function validateClass(node: MapNode, slot: Slot, path: readonly string[], onIgnored: OnIgnored): void {
  const name = String(toPlain((node.entries.get('class_path') as { node: ConfigNode }).node));
  const args = node.entries.get('init_args')?.node as MapNode;
  const schema = argumentsOf(slot, name);
  for (const [key, entry] of node.entries) {
    if (key === 'class_path' || key === 'init_args') continue;
    const known = ['class_path', 'init_args'];
    const isArgument = childSchema(schema, key) !== undefined;
    throw new RankDistillmError(
      'bad_input',
      `${placeText(entry.place)}: unknown key "${key}" beside class_path in ${path.join('.')}`,
      { hint: isArgument ? `Move "${key}" below init_args.` : nearestHint(key, known, 'key') },
    );
  }
  if (schema instanceof z.ZodRecord) {
    if (!isOwnClass(name)) onIgnored(`${path.join('.')} (${name})`, placeText(node.place));
    return;
  }
  validateKeys(args, schema, [...path, 'init_args'], onIgnored, name);
}

function validateKeys(
  node: MapNode,
  schema: z.ZodObject | z.ZodRecord,
  path: readonly string[],
  onIgnored: OnIgnored,
  className?: string,
): void {
  for (const [key, entry] of node.entries) {
    const child = childSchema(schema, key);
    if (!child)
      throw unknownKey(key, placeText(entry.place), Object.keys((schema as z.ZodObject).shape), path, className);
    const childPath = [...path, key];
    if (noteOf(child)?.use === 'ignored') onIgnored(childPath.join('.'), placeText(entry.place));
    else validate(entry.node, child, childPath, onIgnored);
  }
  if (schema instanceof z.ZodRecord) return;
  for (const [key, field] of Object.entries(schema.shape)) {
    const child = field as z.ZodType;
    if (node.entries.has(key) || child.safeParse(undefined).success) continue;
    const where = className ?? (path.join('.') || 'the configuration');
    throw new RankDistillmError('bad_input', `${placeText(node.place)}: ${where} needs the key "${key}"`, {
      hint: `Add "${key}" (${describeType(child)}): ${noteOf(child)?.doc ?? 'it has no default.'}`,
    });
  }
}

/** Options of the command line that are no keys; a misspelt one looks like a key. */
const OPTIONS = ['config', 'print_config', 'help'];

function unknownKey(
  key: string,
  place: string,
  known: readonly string[],
  path: readonly string[],
  className: string | undefined,
): RankDistillmError {
  const where = path.length === 0 ? '' : ` in ${path.join('.')}${className ? ` (${className})` : ''}`;
  const isOption = place === `--${key}`;
  return new RankDistillmError('bad_input', `${place}: unknown ${isOption ? 'option or ' : ''}key "${key}"${where}`, {
    hint: nearestHint(key, isOption ? [...known, ...OPTIONS] : known, 'key'),
  });
}

function wrongType(node: ConfigNode, schema: z.ZodType, path: readonly string[]): RankDistillmError {
  const key = path.join('.') || 'the configuration';
  return new RankDistillmError(
    'bad_input',
    `${placeText(node.place)}: ${key}: expected ${describeType(schema)}, received ${describeValue(node)}`,
    { hint: hintFor(node, schema) },
  );
}

function hintFor(node: ConfigNode, schema: z.ZodType): string {
  const inner = unwrap(schema);
  const value = node.kind === 'scalar' ? node.value : undefined;
  if (inner instanceof z.ZodString && value !== undefined && value !== null && typeof value !== 'string') {
    return `Put the value in quotes: "${String(value)}".`;
  }
  if (inner instanceof z.ZodEnum && typeof value === 'string') {
    return nearestHint(value, inner.options.map(String), 'value');
  }
  const fallback = schema.safeParse(undefined);
  const shown = fallback.success && fallback.data !== null ? JSON.stringify(fallback.data) : undefined;
  // a mapping's defaults would fill the screen
  return shown !== undefined && shown.length <= 60
    ? `Mend the value, or leave the key out for the default ${shown}.`
    : 'Mend the value; docs/cli.md lists every key with its type.';
}
