import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readQrels } from '../../src/data/formats/qrels.js';
import type { Qrel, RunEntry } from '../../src/data/records.js';
import { nameOf } from '../../src/engine/arithmetic.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { evaluate } from '../../src/evaluate/evaluate.js';
import { trainedModel } from '../demo/configurations.js';
import { worldFiles } from '../demo/world/write.js';
import { numberOf, runScript } from '../lib/command.js';
import { groupBy } from '../lib/data.js';
import { root } from '../lib/root.mjs';
import { SetupError } from '../lib/say.mjs';
import {
  DEVICES,
  engineOptions,
  oneOf,
  OPTIONS,
  OPTIONS_USAGE,
  printReport,
  say,
  tableOf,
  type ColumnOf,
  type Device,
} from './host.js';
import { nativePrecisions, precisionLabel } from './models.js';
import { readRunPairs } from './pairs.js';

const MEASURE = 'nDCG@10';
/** What is chosen on this CPU, then each kind of products, with what is usually around them. */
const VARIABLE = 'RANK_DISTILLM_ARITHMETIC';
const SETTINGS = [
  ['bf16-mixed', 'measured'],
  ['int8', 'measured'],
  ['bf16-mixed', 'bf16-mixed=int16'],
  ['bf16-mixed', 'bf16-mixed=bfloat16'],
  ['int8', 'int8=int8'],
] as const;
const DEMO = join(root, 'build', 'demo');

const USAGE = `usage: npm run bench -- ranking [options]

What a precision or a device costs in quality: ${MEASURE} of a first stage's run, re-ranked in each precision that the device
computes, beside float32 on the CPU, and how far scores and their order differ from that. On a CPU in each arithmetic that it has
(products/attention/between products), those that are chosen by measurement first.

${OPTIONS_USAGE}
  --model FOLDER   a trained model; without it the model and the test queries that \`npm run demo\` has left in build/demo
  --run FILE       the first stage, --docs FILE and --queries FILE its texts, --qrels FILE judgements
  --depth N        documents of a topic that are re-ranked, default 100`;

interface RankingResult {
  device: Device;
  precision: string;
  measure: number;
  /** Above float32 on the CPU. */
  difference: number;
  /** Kendall's tau with float32 on the CPU, mean over topics. */
  tau: number;
  /** Root mean square of what scores differ by, over the deviation of all scores. */
  error: number;
}

const COLUMNS: readonly ColumnOf<RankingResult>[] = [
  { head: 'device', of: ({ device }) => device },
  { head: 'precision', of: ({ precision }) => precision },
  { head: MEASURE, digits: 4, of: ({ measure }) => measure },
  { head: 'difference', digits: 4, of: ({ difference }) => difference },
  { head: 'tau', digits: 4, of: ({ tau }) => tau },
  { head: 'error / deviation', digits: 5, of: ({ error }) => error },
];

/**
 * Kendall's tau of two lists of scores, over all pairs of places that differ in the first: 1 where both put them in the
 * same order, -1 where they are reversed. Ties of the second list alone count 0. Undefined where the first has no order.
 */
export function kendallTau(first: ArrayLike<number>, second: ArrayLike<number>): number | undefined {
  let agreeing = 0;
  let all = 0;
  for (let i = 0; i < first.length; i++) {
    for (let j = 0; j < i; j++) {
      const order = Math.sign(first[i]! - first[j]!);
      if (order === 0) continue;
      all += 1;
      agreeing += order * Math.sign(second[i]! - second[j]!);
    }
  }
  return all === 0 ? undefined : agreeing / all;
}

const FILES = ['model', 'run', 'docs', 'queries', 'qrels'] as const;
type Files = Record<(typeof FILES)[number], string>;

/** The files that are named, or those of the demo. */
function sources(named: Partial<Record<string, unknown>>): Files {
  const missing = FILES.filter((name) => named[name] === undefined);
  if (missing.length === 0) return named as Files;
  if (missing.length < FILES.length) {
    throw new SetupError(`missing: ${missing.map((name) => `--${name}`).join(', ')}`, 'Give all five, or none.');
  }
  const model = trainedModel(join(DEMO, 'stage-two'));
  if (!existsSync(model))
    throw new SetupError(`${model}: no such folder`, 'Run `npm run demo` first, or give --model.');
  const { collection, test } = worldFiles(DEMO);
  return { model, run: test.bm25, docs: collection, queries: test.queries, qrels: test.qrels };
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

/** Against float32's scores of the same pairs. */
function compare(entries: readonly RunEntry[], qrels: Qrel[], scores: Float32Array, exact: Float32Array) {
  const measure = (of: Float32Array): number => {
    const run = entries.map((entry, i) => ({ ...entry, score: of[i]! }));
    return evaluate(run, qrels, [MEASURE]).mean[MEASURE]!;
  };
  const places = [...groupBy(entries.keys(), (i) => entries[i]!.queryId).values()];
  const at = (of: readonly number[], values: Float32Array): number[] => of.map((i) => values[i]!);
  const taus = places.flatMap((of) => kendallTau(at(of, exact), at(of, scores)) ?? []);
  const all = [...exact];
  const middle = mean(all);
  const deviation = Math.sqrt(mean(all.map((score) => (score - middle) ** 2)));
  const error = Math.sqrt(mean(all.map((score, i) => (score - scores[i]!) ** 2)));
  const own = measure(scores);
  return { measure: own, difference: own - measure(exact), tau: mean(taus), error: error / deviation };
}

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    {
      ...OPTIONS,
      ...{ model: option, run: option, docs: option, queries: option, qrels: option, depth: option },
    },
    async (values) => {
      const device = oneOf('device', values.device, DEVICES);
      const depth = numberOf('depth', values.depth) ?? 100;
      const from = sources(values);
      const qrels = await readQrels(from.qrels);
      const judged = new Set(qrels.map(({ queryId }) => queryId));
      const { entries, pairs } = await readRunPairs(from, ({ queryId, rank }) => rank <= depth && judged.has(queryId));
      const scored = async (on: Device, precision: string) => {
        await using model = await CrossEncoder.load(from.model, engineOptions(on, precision));
        return { scores: await model.score(pairs), arithmetic: nameOf(model.arithmetic) };
      };
      const { scores: exact } = await scored('cpu', '32-true');
      const results: RankingResult[] = [];
      const add = (on: Device, precision: string, scores: Float32Array): void =>
        void results.push({ device: on, precision, ...compare(entries, qrels, scores, exact) });
      add('cpu', '32-true', exact);
      if (device === 'cpu') {
        const seen = new Set<string>();
        for (const [precision, setting] of SETTINGS) {
          process.env[VARIABLE] = setting;
          const { scores, arithmetic } = await scored('cpu', precision);
          if (seen.size < seen.add(arithmetic).size) add('cpu', `${precision}: ${arithmetic}`, scores);
        }
      } else {
        const precisions = await nativePrecisions(device, undefined);
        if ([...precisions.values()].every((found) => typeof found === 'object')) process.exitCode = 1; // each is told below
        for (const [precision, found] of precisions) {
          if (typeof found === 'object') say(`${precision} is left out: ${found.leftOut}`);
          else add(device, precisionLabel(precision, found), (await scored(device, precision)).scores);
        }
      }
      const data = { model: from.model, run: from.run, pairs: pairs.length, results };
      printReport(values, data, tableOf(COLUMNS, results));
    },
    args,
  );
