import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { readQrels } from '../../src/data/formats/qrels.js';
import { readRun } from '../../src/data/run-file.js';
import { evaluate } from '../../src/evaluate/evaluate.js';
import { writeAtomically } from '../../src/io/atomic-write.js';
import { formatTable } from '../../src/report/table.js';
import { numberOf, runScript, runVerb } from '../lib/command.js';
import { root } from '../lib/root.mjs';
import {
  firstStageConfig,
  MEASURES,
  reRankConfig,
  secondStageConfig,
  trainedModel,
  trainingLog,
} from './configurations.js';
import { writeTinyModel } from './electra-folder.js';
import { DEFAULT_WORLD, generateWorld, scaledWorld, type WorldOptions } from './world/generate.js';
import { DATASET_IDS, writeWorld, type WorldFiles } from './world/write.js';

/** Optimizer steps: fixed, not a time, so that a seed gives the same figures on every machine of a kind. */
const STEPS = { first: 200, second: 300 };

const USAGE = `usage: npm run demo -- [folder] [options]

Makes an invented world and a small ELECTRA, trains it in two stages, re-ranks the test queries and compares.

  --seed N     another seed is another world, model and order of training, default ${DEFAULT_WORLD.seed}
  --scale X    times as many entities and queries, default 1
  --steps N    optimizer steps of each stage, default ${STEPS.first} and ${STEPS.second}`;

const secondsSince = (start: number): string => `${((performance.now() - start) / 1000).toFixed(0)} s`;

/** Makes the demo's data and model. */
async function prepare(folder: string, options: WorldOptions, model: string): Promise<WorldFiles> {
  const start = performance.now();
  const world = generateWorld(options);
  const files = await writeWorld(world, folder);
  const { passages, train, test } = world;
  const texts = passages.map(({ text }) => text);
  await writeTinyModel(model, texts, options.seed);
  console.log(
    `An invented world of ${texts.length} passages, ${train.queries.length} queries to train with and ` +
      `${test.queries.length} to test with, which share no entity, and an untrained ELECTRA, in ${folder} ` +
      `(${secondsSince(start)})\n\nFor example ${passages[0]!.docId}: ${texts[0]}`,
  );
  return files;
}

/** Writes a configuration and runs a command with it. */
async function runWith(verb: string, path: string, config: object): Promise<void> {
  await writeAtomically(path, (write) => write(stringify(config)));
  await runVerb([verb, '--config', path]);
}

async function printComparison(files: WorldFiles, runs: Readonly<Record<string, string>>): Promise<void> {
  const qrels = await readQrels(files.test.qrels);
  const rows = [];
  let first: number | undefined;
  for (const [label, path] of Object.entries(runs)) {
    const { mean } = evaluate(await readRun(path), qrels, MEASURES);
    const value = mean['nDCG@10']!;
    first ??= value;
    const gain = `${value < first ? '-' : '+'}${Math.abs(value - first).toFixed(4)}`;
    rows.push([label, ...MEASURES.map((measure) => mean[measure]), rows.length === 0 ? '' : gain]);
  }
  const heads = [{ head: DATASET_IDS.test }, ...MEASURES.map((head) => ({ head, digits: 4 }))];
  console.log(`\n${formatTable([...heads, { head: 'nDCG@10 over BM25' }], rows)}`);
}

async function main(folder: string, options: WorldOptions, steps: typeof STEPS): Promise<void> {
  const start = performance.now();
  let model = join(folder, 'model');
  const files = await prepare(folder, options, model);
  const setting = { files, seed: options.seed };
  const runs = [];
  const logs = [];
  for (const [name, configOf, count] of [
    ['stage-one', firstStageConfig, steps.first],
    ['stage-two', secondStageConfig, steps.second],
  ] as const) {
    const stage = join(folder, name);
    await rm(stage, { recursive: true, force: true }); // of an earlier demo
    await runWith('fit', `${stage}.yaml`, configOf(setting, model, stage, count));
    model = trainedModel(stage);
    const saveDir = join(stage, 're-ranked');
    await runWith('re_rank', `${stage}-re-rank.yaml`, reRankConfig(setting, model, saveDir, `${name}.run`));
    runs.push(join(saveDir, `${name}.run`));
    logs.push(trainingLog(stage));
  }
  await printComparison(files, {
    'BM25, which all others re-rank': files.test.bm25,
    'stage one (InfoNCE)': runs[0]!,
    'stage two (RankNet)': runs[1]!,
    'teacher, noisy': files.test.teacher,
  });
  const report = join(folder, 'report.html');
  const { bm25, teacher, qrels, queries } = files.test;
  await runVerb([
    ...['report', '--qrels', qrels, '--run', bm25, ...runs, teacher, '--metrics', ...MEASURES],
    ...['--queries', queries, '--docs', files.collection, '--training', ...logs, '--output', report],
  ]);
  console.log(
    `\nThe report is ${report}; open it in a browser. The model is in ${model}. All of it took ${secondsSince(start)}.`,
  );
}

const option = { type: 'string' } as const;
await runScript(USAGE, { seed: option, scale: option, steps: option }, (values, [folder]) => {
  process.chdir(root);
  const steps = numberOf('steps', values.steps, 'a number of at least 0');
  const seed = numberOf('seed', values.seed, 'a number of at least 0') ?? DEFAULT_WORLD.seed;
  const scale = numberOf('scale', values.scale) ?? 1;
  return main(
    folder ?? join('build', 'demo'),
    { ...scaledWorld(DEFAULT_WORLD, scale), seed },
    steps === undefined ? STEPS : { first: steps, second: steps },
  );
});
