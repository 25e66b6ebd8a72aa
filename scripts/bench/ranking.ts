import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readQrels } from '../../src/data/formats/qrels.js';
import type { Qrel, RunEntry } from '../../src/data/records.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { evaluate } from '../../src/evaluate/evaluate.js';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { trainedModel } from '../demo/configurations.js';
import { groupBy } from '../demo/world/group-by.js';
import { worldFiles } from '../demo/world/write.js';
import { root } from '../lib/root.mjs';
import { SetupError } from '../lib/say.mjs';
import { positiveNumber } from './arguments.js';
import { DEVICES, deviceNamed, engineOptions, type Device } from './device.js';
import { kendallTau } from './kendall-tau.js';
import { nativePrecisions, precisionLabel } from './native-precisions.js';
import { formatRanking, MEASURE, type RankingResult } from './ranking-table.js';
import { readRunPairs, type RunFiles } from './run-pairs.js';

const DEMO = join(root, 'build', 'demo');

const USAGE = `usage: npm run bench -- ranking [options]

What a precision or a device costs in quality: ${MEASURE} of a first stage's run, re-ranked in each precision that the device
computes, beside float32 on the CPU, and how far scores and their order differ from that.

  --device NAME   ${DEVICES.join(' or ')}; default cpu
  --model FOLDER  a trained model; without it the model and the test queries that \`npm run demo\` has left in build/demo
  --run FILE      the first stage, --docs FILE and --queries FILE its texts, --qrels FILE judgements
  --depth N       documents of a topic that are re-ranked, default 100
  --json          one object instead of a table`;

const option = { type: 'string' } as const;
const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    device: { ...option, default: 'cpu' },
    ...{ model: option, run: option, docs: option, queries: option, qrels: option },
    depth: { ...option, default: '100' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});

interface Sources extends RunFiles {
  model: string;
  qrels: string;
}

const names = ['model', 'run', 'docs', 'queries', 'qrels'] as const;

function sources(): Sources {
  const missing = names.filter((name) => values[name] === undefined);
  if (missing.length === 0) return values as Sources;
  if (missing.length < names.length) {
    throw new SetupError(`missing: ${missing.map((name) => `--${name}`).join(', ')}`, 'Give all five, or none.');
  }
  const { collection, queries, qrels, runs } = worldFiles(DEMO);
  const model = trainedModel(join(DEMO, 'stage-two'));
  if (!existsSync(model))
    throw new SetupError(`${model}: no such folder`, 'Run `npm run demo` first, or give --model.');
  return { model, run: runs.test.bm25, docs: collection, queries: queries.test, qrels: qrels.test };
}

interface Topics {
  entries: RunEntry[];
  pairs: TextPair[];
  qrels: Qrel[];
}

async function readTopics(from: Sources, depth: number): Promise<Topics> {
  const qrels = await readQrels(from.qrels);
  const judged = new Set(qrels.map(({ queryId }) => queryId));
  return { ...(await readRunPairs(from, ({ queryId, rank }) => rank <= depth && judged.has(queryId))), qrels };
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

/** Against float32's scores of the same pairs. */
function compare({ entries, qrels }: Topics, scores: Float32Array, exact: Float32Array) {
  const measure = (of: Float32Array): number =>
    evaluate(
      entries.map((entry, i) => ({ ...entry, score: of[i]! })),
      qrels,
      [MEASURE],
    ).mean[MEASURE]!;
  const places = groupBy(entries.keys(), (i) => entries[i]!.queryId);
  const taus = [...places.values()].flatMap((of) => {
    const tau = kendallTau(
      of.map((i) => exact[i]!),
      of.map((i) => scores[i]!),
    );
    return tau === undefined ? [] : [tau];
  });
  const all = [...exact];
  const middle = mean(all);
  const deviation = Math.sqrt(mean(all.map((score) => (score - middle) ** 2)));
  const error = Math.sqrt(mean(all.map((score, i) => (score - scores[i]!) ** 2)));
  const own = measure(scores);
  return { measure: own, difference: own - measure(exact), tau: mean(taus), error: error / deviation };
}

async function main(): Promise<void> {
  const device = deviceNamed(values.device);
  const from = sources();
  const topics = await readTopics(from, positiveNumber('depth', values.depth));
  const scored = async (on: Device, precision: string): Promise<Float32Array> => {
    await using model = await CrossEncoder.load(from.model, engineOptions(on, precision));
    return model.score(topics.pairs);
  };
  const exact = await scored('cpu', '32-true');
  const results: RankingResult[] = [];
  const add = (on: Device, precision: string, scores: Float32Array): void =>
    void results.push({ device: on, precision, ...compare(topics, scores, exact) });
  add('cpu', '32-true', exact);
  const precisions = await nativePrecisions(device, undefined);
  if ([...precisions.values()].every((found) => typeof found === 'object')) process.exitCode = 1; // each is said below
  for (const [precision, found] of precisions) {
    if (device === 'cpu' && precision === '32-true') continue;
    if (typeof found === 'object') console.error(`bench: ${precision} is left out: ${found.leftOut}`);
    else add(device, precisionLabel(precision, found), await scored(device, precision));
  }
  const data = { model: from.model, run: from.run, pairs: topics.pairs.length, results };
  console.log(values.json ? JSON.stringify(data, null, 2) : formatRanking(results));
}

if (values.help) console.log(USAGE);
else await main();
