import { closest, distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { unwrap } from '../config/schema/fields.js';
import { RankDistillmError } from '../errors.js';
import { averagePrecision, inferredAveragePrecision } from './average-precision.js';
import { binaryPreference } from './binary-preference.js';
import { judgedShare, relevantDocuments, retrievedDocuments, topics } from './counts.js';
import { measureOf, type Measure, type MeasureFamily } from './measure.js';
import { ndcg } from './ndcg.js';
import { interpolatedPrecision, precision, rPrecision } from './precision.js';
import { rankBiasedPrecision } from './rank-biased-precision.js';
import { recall, success } from './recall.js';
import { expectedReciprocalRank, reciprocalRank } from './reciprocal-rank.js';
import { setAveragePrecision, setF, setPrecision, setRecall } from './set-measures.js';

const FAMILIES: readonly MeasureFamily[] = [
  ...[ndcg, reciprocalRank, averagePrecision, precision, recall, success, rPrecision, binaryPreference],
  ...[inferredAveragePrecision, interpolatedPrecision, expectedReciprocalRank, rankBiasedPrecision],
  ...[setPrecision, setRecall, setF, setAveragePrecision, judgedShare, retrievedDocuments, relevantDocuments, topics],
];

/** Lists the measures and their notation, for `--help`. */
export function measuresHelp(): string {
  const lines = FAMILIES.flatMap(({ forms, aliases = {}, doc }) => [
    `  ${[...forms, ...Object.keys(aliases)].join(', ')}`,
    `      ${doc}`,
  ]);
  return [
    'Measures, in the notation of ir_measures:',
    ...lines,
    '',
    'The number behind @ is the cut-off. rel=2 counts grades from 2 as relevant; without it grades from 1 count.',
    'judged_only=True takes unjudged documents out of the ranking first.',
  ].join('\n');
}

/** Every spelling, with the parameters that it stands for. */
const BY_NAME = new Map(
  FAMILIES.flatMap((family) => [
    [family.name, { family, preset: {} }] as const,
    ...Object.entries(family.aliases ?? {}).map(([alias, preset]) => [alias, { family, preset }] as const),
  ]),
);

/** Measures of ir_measures that are not built. */
const NOT_BUILT = new Set(
  `Accuracy alpha_DCG alpha_nDCG AP_IA BPM Compat ERR_IA INSQ INST nERR_IA nNRBP NRBP NERR8 NERR9 NERR10 NERR11 P_IA SDCG
  StRecall`.split(/\s+/),
);

const EXPECTED = 'Write for example nDCG@10 or P(rel=2)@10; rank-distillm evaluate --help lists the measures.';

const SYNTAX = /^\s*([A-Za-z_]\w*)\s*(?:\(([^()]*)\))?\s*(?:@\s*(\S+?))?\s*$/;

/** A comma outside of parentheses. */
const BETWEEN = /,(?![^()]*\))/;

function bad(text: string, problem: string, hint = EXPECTED): RankDistillmError {
  return new RankDistillmError('bad_input', `measure ${JSON.stringify(text)}: ${problem}`, { hint });
}

function find(text: string, name: string) {
  const found = BY_NAME.get(name);
  if (found) return found;
  if (NOT_BUILT.has(name)) {
    throw new RankDistillmError('unsupported', `measure ${JSON.stringify(text)}: ${name} is not built`, {
      hint: 'Compute it with ir_measures from the run that re_rank writes.',
    });
  }
  const known = [...BY_NAME.keys()];
  // compare without case first: `ndcg` has a large edit distance from nDCG
  const near = known.find((each) => each.toLowerCase() === name.toLowerCase()) ?? closest(name, known);
  const plausible = distance(near.toLowerCase(), name.toLowerCase()) <= Math.max(1, Math.floor(near.length / 2));
  throw bad(text, `unknown measure ${name}`, plausible ? `Did you mean ${near}? ${EXPECTED}` : EXPECTED);
}

/** A literal of Python: `1_000`, `0.5`, `'text'`, `True`; any other text is left as it is. */
function literal(text: string): unknown {
  if (/^[+-]?(\d[\d_]*)?\.?\d[\d_]*\.?(e[+-]?\d+)?$/i.test(text)) return Number(text.replaceAll('_', ''));
  if (text === 'True' || text === 'False') return text === 'True';
  return /^(['"])(.*)\1$/.exec(text)?.[2] ?? text;
}

/** How Python prints it. */
function pythonLiteral(value: unknown, schema: z.ZodType): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return `'${value}'`;
  const isWhole = (unwrap(schema) as z.ZodNumber).isInt;
  return !isWhole && Number.isInteger(value) ? `${String(value)}.0` : String(value);
}

/** What a parameter takes, for messages. */
function expectedBy(schema: z.ZodType): string {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodEnum) return inner.options.map((option) => `'${String(option)}'`).join(' or ');
  if (inner instanceof z.ZodBoolean) return 'True or False';
  const { minValue, maxValue, isInt } = inner as z.ZodNumber;
  const kind = isInt ? 'a whole number' : 'a number';
  return maxValue === null || !Number.isFinite(maxValue) || isInt
    ? `${kind} of at least ${minValue}`
    : `${kind} from ${minValue} to ${maxValue}`;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** `rel=2, p=0.9` in the parentheses and the number behind `@`, as written. */
function written(text: string, family: MeasureFamily, list: string, behindAt: string | undefined): [string, string][] {
  const known = Object.keys(family.parameters);
  const given = list.split(',').flatMap((part): [string, string][] => {
    if (part.trim() === '') return [];
    const [, name, value] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(part) ?? [];
    if (name === undefined || value === undefined || !known.includes(name)) {
      const takes = known.length === 0 ? 'no parameters' : listed(known);
      throw bad(text, `${family.name} takes ${takes}, got ${JSON.stringify(part.trim())}`);
    }
    return [[name, value]];
  });
  if (behindAt === undefined) return given;
  if (family.at === undefined)
    throw bad(text, `${family.name} takes nothing behind @, got ${JSON.stringify(behindAt)}`);
  return [...given, [family.at, behindAt]];
}

/**
 * Parses a measure in the notation of ir_measures: `nDCG@10`, `AP(rel=2)`, `RBP(rel=1,p=0.9)`, `IPrec@0.1`. It also
 * accepts the names NDCG, MAP, MRR, Precision and Recall, and returns the canonical name (`MRR@10` gives `RR@10`).
 * @throws RankDistillmError `bad_input`, with a suggestion for an unknown name
 */
export function parseMeasure(text: string): Measure {
  const several = text.split(BETWEEN).map((part) => part.trim());
  if (several.length > 1) {
    const each = several.filter((part) => part !== '');
    const hint = `Give each by itself: ${each.join(' ')} on the command line, [${each.join(', ')}] in YAML.`;
    throw bad(text, 'a comma between measures', hint);
  }
  const match = SYNTAX.exec(text);
  if (!match) throw bad(text, 'invalid syntax');
  const { family, preset } = find(text, match[1]!);
  const parameters: Record<string, unknown> = { ...preset };
  for (const [name, value] of written(text, family, match[2] ?? '', match[3])) {
    const schema = family.parameters[name]!;
    const { success, data } = schema.safeParse(literal(value));
    const what = name === 'cutoff' ? 'the cut-off' : name;
    if (!success) throw bad(text, `${what} must be ${expectedBy(schema)}, got ${JSON.stringify(value)}`);
    parameters[name] = data;
  }
  for (const [name, schema] of Object.entries(family.parameters)) {
    if (parameters[name] !== undefined || schema.safeParse(undefined).success) continue;
    const example = family.forms.find((form) => form.includes(name === family.at ? '@' : `${name}=`))!;
    throw bad(text, `${family.name} needs ${name === 'cutoff' ? 'a cut-off' : name}`, `Write for example ${example}.`);
  }
  const others = Object.entries(parameters)
    .filter(([name, value]) => name !== family.at && family.parameters[name]!.safeParse(undefined).data !== value)
    .map(([name, value]) => `${name}=${pythonLiteral(value, family.parameters[name]!)}`);
  const { at } = family;
  const behindAt =
    at === undefined || parameters[at] === undefined ? '' : `@${pythonLiteral(parameters[at], family.parameters[at]!)}`;
  const name = `${family.name}${others.length === 0 ? '' : `(${others.join(',')})`}${behindAt}`;
  return measureOf(family, name, z.object(family.parameters).parse(parameters));
}
