import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { finestAround, nameOf } from '../../src/engine/arithmetic.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import type { ErrorBounds } from '../../src/engine/finer-scores.js';
import { refineTop } from '../../src/engine/refine.js';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { trainedModel } from '../demo/configurations.js';
import { worldFiles } from '../demo/world/write.js';
import { numberOf, runScript } from '../lib/command.js';
import { groupBy } from '../lib/data.js';
import { root } from '../lib/root.mjs';
import { SetupError } from '../lib/say.mjs';
import { OPTIONS, OPTIONS_USAGE, median, printReport, say, tableOf, type ColumnOf } from './host.js';
import { sharedRoot } from './models.js';
import { readRunPairs } from './pairs.js';

const DEMO = join(root, 'build', 'demo');
const TOP = 10;
const DEPTHS = [100, 1000];
const VARIABLE = 'RANK_DISTILLM_ARITHMETIC';

const USAGE = `usage: npm run bench -- exact [options]

What \`rank(query, documents, { topK: ${TOP}, exact: true })\` of a model in int8 costs, and whether it keeps its word. For each of
TREC's runs beside the checkout, and for the demo's, every pair is scored in int8 and in 32-true: how often an error exceeds
the bound, and in how many topics the top ${TOP} is not that of 32-true. Then calls with and without \`exact\`, in turn.

${OPTIONS_USAGE}
  --model FOLDER     default: the model that \`npm run demo\` has left in build/demo
  --precision NAME   instead of int8
  --only WORD        runs whose name holds it
  --rounds N         pairs of calls for each depth, default 15`;

interface RunResult {
  run: string;
  topics: number;
  pairs: number;
  /** The bound, over the deviation of the scores. */
  bound: number;
  largestError: number;
  /** Pairs whose error exceeds the bound, in int8 or in what stands between it and 32-true. */
  exceeded: number;
  /** Topics whose top 10 differs from that of 32-true: as int8 has it, and refined. */
  coarseDiffers: number;
  differs: number;
  /** Documents scored again for a topic, in the mean, and of those in 32-true. */
  rescored: number;
  inFloat32: number;
}

interface SpeedResult {
  documents: number;
  /** Calls a second without exact over those with it: median over the rounds. */
  ratio: number;
  /** The same of CPU time. */
  cpuRatio: number;
  milliseconds: number;
  exactMilliseconds: number;
  rescored: number;
  inFloat32: number;
}

const RUN_COLUMNS: readonly ColumnOf<RunResult>[] = [
  { head: 'run', of: ({ run }) => run },
  { head: 'topics', of: ({ topics }) => topics },
  { head: 'pairs', of: ({ pairs }) => pairs },
  { head: 'bound / deviation', digits: 4, of: ({ bound }) => bound },
  { head: 'largest error', digits: 4, of: ({ largestError }) => largestError },
  { head: 'above the bound', of: ({ exceeded }) => exceeded },
  { head: `top ${TOP} of int8 differs`, of: ({ coarseDiffers }) => coarseDiffers },
  { head: 'refined differs', of: ({ differs }) => differs },
  { head: 'scored again', digits: 1, of: ({ rescored }) => rescored },
  { head: 'in float32', digits: 1, of: ({ inFloat32 }) => inFloat32 },
];
const SPEED_COLUMNS: readonly ColumnOf<SpeedResult>[] = [
  { head: 'documents', of: ({ documents }) => documents },
  { head: 'ms', digits: 1, of: ({ milliseconds }) => milliseconds },
  { head: 'ms, exact', digits: 1, of: ({ exactMilliseconds }) => exactMilliseconds },
  { head: 'speed, exact / not', digits: 3, of: ({ ratio }) => ratio },
  { head: 'by CPU time', digits: 3, of: ({ cpuRatio }) => cpuRatio },
  { head: 'scored again', digits: 1, of: ({ rescored }) => rescored },
  { head: 'in float32', digits: 1, of: ({ inFloat32 }) => inFloat32 },
];

interface Topics {
  run: string;
  topics: { query: string; documents: string[] }[];
}

async function topicsOf(run: string, docs: string, queries: string): Promise<Topics> {
  const { entries, pairs } = await readRunPairs({ run, docs, queries });
  const groups = [...groupBy(entries.keys(), (i) => entries[i]!.queryId).values()];
  const topics = groups.map((of) => ({
    query: pairs[of[0]!]!.query,
    documents: of.map((i) => pairs[i]!.document),
  }));
  return { run: basename(run), topics };
}

/** TREC's runs, and the demo's where it was run. */
async function* allTopics(only: string): AsyncGenerator<Topics> {
  for (const year of ['trec-dl-2020', 'trec-dl-2021']) {
    const folder = join(sharedRoot, 'data', year);
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(join(folder, 'runs')).filter((file) => `${year}/${file}`.includes(only))) {
      const found = await topicsOf(
        join(folder, 'runs', name),
        join(folder, 'collection.tsv'),
        join(folder, 'queries.tsv'),
      );
      yield { ...found, run: `${year}/${name}` };
    }
  }
  const { collection, test } = worldFiles(DEMO);
  if (existsSync(test.bm25) && 'demo'.includes(only))
    yield { ...(await topicsOf(test.bm25, collection, test.queries)), run: 'demo' };
}

function bestOf(scores: ArrayLike<number>): string {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order
    .slice(0, TOP)
    .sort((a, b) => a - b)
    .join(' ');
}

/** Scores of pairs that were scored before are taken from there: runs of a year share most. */
function remembering(model: CrossEncoder): (pairs: readonly TextPair[]) => Promise<number[]> {
  const known = new Map<string, number>();
  const keyOf = ({ query, document }: TextPair): string => `${query}\t${document}`;
  return async (pairs) => {
    const missing = pairs.filter((pair) => !known.has(keyOf(pair)));
    const scores = await model.score(missing);
    missing.forEach((pair, i) => known.set(keyOf(pair), scores[i]!));
    return pairs.map((pair) => known.get(keyOf(pair))!);
  };
}

/** The model's own arithmetic, then each finer one: bounds of all but the last, scores by all. */
interface Stages {
  bounds: ErrorBounds;
  scores: readonly ReturnType<typeof remembering>[];
}

async function check({ run, topics }: Topics, { bounds, scores }: Stages): Promise<RunResult> {
  const pairs = topics.flatMap(({ query, documents }) => documents.map((document) => ({ query, document })));
  const all: number[][] = [];
  for (const score of scores) all.push(await score(pairs));
  const [given, finer] = [all[0]!, all.at(-1)!];
  const errors = all.slice(0, -1).map((of) => of.map((score, i) => Math.abs(score - finer[i]!)));
  const mean = finer.reduce((sum, score) => sum + score, 0) / finer.length;
  const deviation = Math.sqrt(finer.reduce((sum, score) => sum + (score - mean) ** 2, 0) / finer.length);
  let [first, rescored, inFloat32, coarseDiffers, differs] = [0, 0, 0, 0, 0];
  for (const { documents } of topics) {
    const [from, to] = [first, (first += documents.length)];
    const [own, wanted] = [given.slice(from, to), finer.slice(from, to)];
    const refined = await refineTop(own, {
      topK: TOP,
      bound: bounds[0]!,
      stages: all.slice(1).map((of, i) => ({
        bound: bounds[i + 1] ?? 0,
        score: (indices) => Promise.resolve(indices.map((index) => of[from + index]!)),
      })),
    });
    rescored += refined.rescored.length;
    inFloat32 += refined.inLast;
    coarseDiffers += Number(bestOf(own) !== bestOf(wanted));
    differs += Number(bestOf(refined.scores) !== bestOf(wanted));
  }
  return {
    run,
    topics: topics.length,
    pairs: pairs.length,
    bound: bounds[0]! / deviation,
    largestError: Math.max(...errors[0]!) / deviation,
    exceeded: errors.reduce((sum, of, i) => sum + of.filter((error) => error > bounds[i]!).length, 0),
    coarseDiffers,
    differs,
    rescored: rescored / topics.length,
    inFloat32: inFloat32 / topics.length,
  };
}

/** Calls in turn, the one or the other first. */
async function time(model: CrossEncoder, { topics }: Topics, depth: number, rounds: number): Promise<SpeedResult> {
  const others = topics.flatMap(({ documents }) => documents);
  const ratios: number[] = [];
  const cpuRatios: number[] = [];
  const times: [number[], number[]] = [[], []];
  let [rescored, inFloat32] = [0, 0];
  for (let round = -1; round < rounds; round++) {
    const { query, documents } = topics[(round + 1) % topics.length]!;
    // fresh texts, so that each call tokenizes; a topic's own documents first
    const texts = [...documents, ...others.slice((round + 1) * depth)]
      .slice(0, depth)
      .map((text, i) => `${text} ${i} ${round}`);
    const [of, cpuOf] = [
      [0, 0],
      [0, 0],
    ];
    for (const exact of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const start = performance.now();
      const cpuStart = process.cpuUsage();
      const { refined } = await model.rankInDetail(
        query,
        texts.map((text) => `${text} ${exact}`),
        { topK: TOP, exact: exact === 1 },
      );
      of[exact] = performance.now() - start;
      const { user, system } = process.cpuUsage(cpuStart);
      cpuOf[exact] = user + system;
      if (round < 0) continue; // the first calls warm up
      rescored += refined?.rescored ?? 0;
      inFloat32 += refined?.inFloat32 ?? 0;
    }
    if (round < 0) continue;
    ratios.push(of[0]! / of[1]!);
    cpuRatios.push(cpuOf[0]! / cpuOf[1]!);
    times[0].push(of[0]!);
    times[1].push(of[1]!);
  }
  const [milliseconds, exactMilliseconds] = times.map(median) as [number, number];
  const [ratio, cpuRatio] = [median(ratios), median(cpuRatios)];
  const means = { rescored: rescored / rounds, inFloat32: inFloat32 / rounds };
  return { documents: depth, ratio, cpuRatio, milliseconds, exactMilliseconds, ...means };
}

/** What stands between int8 and 32-true: the arithmetic of bf16-mixed, with the finest around its products. */
async function loadBetween(load: (precision: string) => Promise<CrossEncoder>): Promise<CrossEncoder> {
  const chosen = await load('bf16-mixed');
  await chosen.close();
  const before = process.env[VARIABLE];
  process.env[VARIABLE] = `bf16-mixed=${nameOf(finestAround(chosen.arithmetic))}`;
  try {
    return await load('bf16-mixed');
  } finally {
    process.env[VARIABLE] = before ?? '';
  }
}

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    { ...OPTIONS, model: option, precision: option, only: option, rounds: option },
    async (values) => {
      const folder = values.model ?? trainedModel(join(DEMO, 'stage-two'));
      if (!existsSync(folder))
        throw new SetupError(`${folder}: no such folder`, 'Run `npm run demo` first, or give --model.');
      const rounds = numberOf('rounds', values.rounds) ?? 15;
      const load = (precision: string) =>
        CrossEncoder.load(folder, { device: values.device, precision, freshHead: true, onWarning: say });
      await using model = await load(values.precision ?? 'int8');
      await using between = await loadBetween(load);
      await using finer = await load('32-true');
      const all = [model, between, finer];
      const results: RunResult[] = [];
      const speeds: SpeedResult[] = [];
      let stages: Stages | undefined;
      for await (const found of allTopics(values.only ?? '')) {
        const pairs = async function* () {
          for (const { query, documents } of found.topics)
            for (const document of documents.slice(0, 32)) yield { query, document };
        };
        const bounds = (await model.errorBounds(pairs))!;
        stages ??= { bounds, scores: (bounds.length > 1 ? all : [model, finer]).map(remembering) };
        if (speeds.length === 0) {
          for (const depth of DEPTHS) speeds.push(await time(model, found, depth, rounds));
        }
        results.push(await check(found, stages));
        say(`${found.run}: done`);
      }
      if (results.length === 0)
        throw new SetupError('no run was found', 'Run `npm run demo`, or name the data by RANK_DISTILLM_SHARED.');
      const text = [tableOf(RUN_COLUMNS, results), ...(speeds.length > 0 ? [tableOf(SPEED_COLUMNS, speeds)] : [])].join(
        '\n\n',
      );
      printReport(values, { model: folder, precision: model.precision, results, speeds }, text);
    },
    args,
  );
