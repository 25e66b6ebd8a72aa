import { closest, distance } from 'fastest-levenshtein';
import { RankDistillmError } from '../errors.js';
import { averagePrecision } from './average-precision.js';
import type { Measure, MeasureFamily } from './measure.js';
import { ndcg } from './ndcg.js';
import { precision } from './precision.js';
import { recall } from './recall.js';
import { reciprocalRank } from './reciprocal-rank.js';

const FAMILIES: readonly MeasureFamily[] = [ndcg, precision, recall, averagePrecision, reciprocalRank];

/** Lists the measures and their notation, for `--help`. */
export function measuresHelp(): string {
  const lines = FAMILIES.flatMap(({ name, aliases, binary, cutoff, doc }) => {
    const forms = [...(cutoff === 'optional' ? [name] : []), `${name}@10`, ...(binary ? [`${name}(rel=2)@10`] : [])];
    return [`  ${[...forms, ...aliases].join(', ')}`, `      ${doc}`];
  });
  return [
    'Measures:',
    ...lines,
    '',
    '@10 is the cut-off. rel=2 counts grades from 2 as relevant; without it grades from 1 count.',
  ].join('\n');
}

const BY_NAME = new Map(FAMILIES.flatMap((family) => [family.name, ...family.aliases].map((name) => [name, family])));

const EXPECTED = 'Measures are nDCG, P, R, AP and RR, with a cut-off as in nDCG@10 and a level as in P(rel=2)@10.';

const SYNTAX = /^\s*([A-Za-z_]\w*)\s*(?:\(([^()]*)\))?\s*(?:@\s*(\S+?))?\s*$/;

function bad(text: string, problem: string, hint = EXPECTED): RankDistillmError {
  return new RankDistillmError('bad_input', `measure ${JSON.stringify(text)}: ${problem}`, { hint });
}

function findFamily(text: string, name: string): MeasureFamily {
  const family = BY_NAME.get(name);
  if (family) return family;
  const known = [...BY_NAME.keys()];
  // compare without case first: `ndcg` has a large edit distance from nDCG
  const near = known.find((each) => each.toLowerCase() === name.toLowerCase()) ?? closest(name, known);
  const plausible = distance(near.toLowerCase(), name.toLowerCase()) <= Math.max(1, Math.floor(near.length / 2));
  throw bad(text, `unknown measure ${name}`, plausible ? `Did you mean ${near}? ${EXPECTED}` : EXPECTED);
}

function positiveInteger(text: string, what: string, value: string): number {
  const digits = value.trim();
  if (!/^[0-9]+(_[0-9]+)*$/.test(digits) || Number(digits.replaceAll('_', '')) < 1) {
    throw bad(text, `${what} must be a whole number of at least 1, got ${JSON.stringify(value.trim())}`);
  }
  return Number(digits.replaceAll('_', ''));
}

/** Parses `rel=2, cutoff=10` in the parentheses. */
function parseArguments(text: string, family: MeasureFamily, list: string): { rel?: number; cutoff?: number } {
  const result: { rel?: number; cutoff?: number } = {};
  for (const part of list.split(',')) {
    if (part.trim() === '') continue;
    const [, key, value] = /^\s*(\w+)\s*=(.*)$/.exec(part) ?? [];
    const known = family.binary ? ['rel', 'cutoff'] : ['cutoff'];
    if (key === undefined || value === undefined || !known.includes(key)) {
      throw bad(text, `${family.name} takes ${known.join(' and ')}, got ${JSON.stringify(part.trim())}`);
    }
    result[key as 'rel' | 'cutoff'] = positiveInteger(text, key, value);
  }
  return result;
}

/**
 * Parses a measure in the notation of ir_measures: `nDCG@10`, `AP`, `AP(rel=2)`, `P(rel=2)@10`. It also accepts the
 * names NDCG, MAP, MRR, Precision and Recall, and returns the canonical name (`MRR@10` gives `RR@10`).
 * @throws RankDistillmError `bad_input`, with a suggestion for an unknown name
 */
export function parseMeasure(text: string): Measure {
  const match = SYNTAX.exec(text);
  if (!match) throw bad(text, 'invalid syntax');
  const family = findFamily(text, match[1]!);
  const given = parseArguments(text, family, match[2] ?? '');
  const cutoff = match[3] === undefined ? given.cutoff : positiveInteger(text, 'the cut-off', match[3]);
  if (cutoff === undefined && family.cutoff === 'required') {
    throw bad(text, `${family.name} needs a cut-off`, `Write for example ${family.name}@10.`);
  }
  const rel = given.rel ?? 1;
  const parameters = { cutoff: cutoff ?? Number.POSITIVE_INFINITY, rel };
  const name = `${family.name}${rel === 1 ? '' : `(rel=${rel})`}${cutoff === undefined ? '' : `@${cutoff}`}`;
  return { name, compute: (ranking) => family.compute(ranking, parameters) };
}
