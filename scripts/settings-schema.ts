// The JSON Schema (draft 7) that editors check and complete configurations with, made from the declarations of settings.
import { z } from 'zod';
import { MODULES } from '../src/config/class-name.js';
import { allowsNull, noteOf, OWN_CLASS, slotOf, unwrap, type Slot } from '../src/config/schema/fields.js';
import { configSchema } from '../src/config/schema/schema.js';

type Json = Record<string, unknown>;

/** Numbers that YAML 1.2 takes for text and we, as PyYAML and jsonargparse, for numbers. */
const NUMBER_TEXT = { type: 'string', pattern: '^[-+]?[0-9][0-9_]*(?:\\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?$' };

export function settingsSchema(): Json {
  const definitions: Json = {};
  const root = new Converter(definitions).object(configSchema);
  const byVerb = Object.fromEntries(
    ['fit', 're_rank'].map((verb) => [verb, { $ref: '#', description: `For ${verb} alone.` }]),
  );
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Configuration of rank-distillm fit and re_rank',
    ...root,
    properties: { ...(root['properties'] as Json), ...byVerb },
    definitions,
  };
}

class Converter {
  readonly #definitions: Json;

  constructor(definitions: Json) {
    this.#definitions = definitions;
  }

  /** Keys with their meaning and default. None is required: a configuration may be one of several files. */
  object(object: z.ZodObject): Json {
    const properties: Json = {};
    for (const [key, field] of Object.entries(object.shape)) {
      const schema = field as z.ZodType;
      const type = this.#type(schema);
      const description = noteOf(schema)?.doc;
      const fallback = schema.safeParse(undefined).data;
      const isPlain = fallback !== undefined && !(unwrap(schema) instanceof z.ZodObject);
      properties[key] = {
        ...(description ? { description } : {}),
        ...(isPlain ? { default: fallback } : {}),
        ...(noteOf(schema)?.use === 'ignored' ? {} : allowsNull(schema) ? anyOf([type, { type: 'null' }]) : type),
      };
      if (isList(schema)) properties[`${key}+`] = { description: `Appends to ${key}.`, ...type };
    }
    return { type: 'object', properties, additionalProperties: false };
  }

  #type(schema: z.ZodType): Json {
    const slot = slotOf(schema);
    if (slot) return this.#class(slot);
    const inner = unwrap(schema);
    if (inner instanceof z.ZodObject) return this.object(inner);
    if (inner instanceof z.ZodRecord) {
      return { type: 'object', additionalProperties: this.#type(inner.valueType as z.ZodType) };
    }
    if (inner instanceof z.ZodArray) {
      const items = this.#type(inner.element as z.ZodType);
      // a list of one may be written without its brackets
      return anyOf([{ type: 'array', items }, items]);
    }
    if (inner instanceof z.ZodTuple) {
      const items = (inner.def.items as unknown as z.ZodType[]).map((item) => this.#type(item));
      return { type: 'array', items, minItems: items.length, maxItems: items.length };
    }
    if (inner instanceof z.ZodUnion) return anyOf((inner.options as z.ZodType[]).map((option) => this.#type(option)));
    if (inner instanceof z.ZodEnum) return { enum: inner.options };
    if (inner instanceof z.ZodLiteral) return { enum: [...inner.values] };
    if (inner instanceof z.ZodBoolean) return { type: 'boolean' };
    if (inner instanceof z.ZodString) return { type: 'string' };
    if (inner instanceof z.ZodNumber) return anyOf([numberType(inner), NUMBER_TEXT]);
    // a share of all batches
    return inner instanceof z.ZodCustom ? { type: 'number', minimum: 0, maximum: 1 } : {};
  }

  #class(slot: Slot): Json {
    const name = `classes-${[...slot.classes.keys()][0]}`;
    this.#definitions[name] ??= this.#forms(slot);
    return { $ref: `#/definitions/${name}` };
  }

  /** A class by its name, with its arguments, or by its arguments alone where only one is meant. */
  #forms(slot: Slot): Json {
    const aliases = Object.entries(slot.aliases);
    const forms: Json[] = [];
    const allNames: string[] = [];
    for (const [name, args] of slot.classes) {
      this.#definitions[name] ??= args instanceof z.ZodObject ? this.object(args) : { type: 'object' };
      const names = [name, ...aliases.flatMap(([alias, of]) => (of === name ? [alias] : []))];
      allNames.push(...names);
      forms.push({
        description: slot.docs.get(name),
        ...classForm(nameType(names), anyOf([{ $ref: `#/definitions/${name}` }, { type: 'null' }])),
      });
    }
    const named = nameType(allNames);
    if (slot.takesOwn) forms.push({ required: ['class_path'], ...classForm({ pattern: OWN_CLASS.source }, {}) });
    if (slot.implicit) forms.push({ $ref: `#/definitions/${slot.implicit}` });
    return anyOf([named, ...(slot.takesOwn ? [{ type: 'string', pattern: OWN_CLASS.source }] : []), ...forms]);
  }
}

function classForm(classPath: Json, initArgs: Json): Json {
  return {
    type: 'object', // a file that is laid over another may leave the class out
    properties: { class_path: { type: 'string', ...classPath }, init_args: initArgs },
    additionalProperties: false,
  };
}

/** Names of classes, with and without the Python module in front. */
function nameType(names: readonly string[]): Json {
  const pattern = `^(?:${MODULES.join('|')})(?:\\.\\w+)*\\.(?:${names.join('|')})$`;
  return anyOf([{ enum: names }, { type: 'string', pattern }]);
}

function numberType(schema: z.ZodNumber): Json {
  const bounded = (bound: number | null): bound is number =>
    bound !== null && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  const { minValue: least, maxValue: most } = schema;
  return {
    type: schema.format === 'safeint' ? 'integer' : 'number',
    ...(bounded(least) ? { [schema.safeParse(least).success ? 'minimum' : 'exclusiveMinimum']: least } : {}),
    ...(bounded(most) ? { [schema.safeParse(most).success ? 'maximum' : 'exclusiveMaximum']: most } : {}),
  };
}

function isList(schema: z.ZodType): boolean {
  const inner = unwrap(schema);
  return inner instanceof z.ZodArray || (inner instanceof z.ZodUnion && (inner.options as z.ZodType[]).some(isList));
}

/** One of several types; alternatives within an alternative are its equals. */
function anyOf(types: readonly Json[]): Json {
  const flat = types.flatMap((type) =>
    Object.keys(type).length === 1 && Array.isArray(type['anyOf']) ? (type['anyOf'] as Json[]) : [type],
  );
  return flat.length === 1 ? flat[0]! : { anyOf: flat };
}
