import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { readQrels } from '../../src/data/formats/qrels.js';
import { readRun } from '../../src/data/run-file.js';
import { evaluate } from '../../src/evaluate/evaluate.js';
import { writeAtomically } from '../../src/io/atomic-write.js';
import { formatTable } from '../../src/report/table.js';
import {
  firstStageConfig,
  MEASURES,
  reRankConfig,
  secondStageConfig,
  trainedModel,
  type DemoSetting,
} from './configurations.js';
import { giveUpCommand } from '../lib/command-error.js';
import { root } from '../lib/root.mjs';
import { runCommand } from '../lib/run-command.js';
import { SetupError } from '../lib/say.mjs';
import { writeTinyModel } from './tiny-model.js';
import { DEFAULT_WORLD, generateWorld, scaledWorld } from './world/generate.js';
import { DATASET_IDS, writeWorld, type WorldFiles } from './world/write.js';

/** Optimizer steps: fixed, not a time, so that a seed gives the same figures on every machine of a kind. */
const STEPS = { first: 200, second: 300 };

const USAGE = `usage: npm run demo -- [folder] [options]

Makes an invented world and a small ELECTRA, trains it in two stages, re-ranks the test queries and compares.

  --seed N     another seed is another world, model and order of training, default ${DEFAULT_WORLD.seed}
  --scale X    times as many entities and queries, default 1
  --steps N    optimizer steps of each stage, default ${STEPS.first} and ${STEPS.second}`;

interface DemoOptions {
  folder: string;
  seed: number;
  scale: number;
  steps: typeof STEPS;
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(0)} s`;
}

/** Makes the demo's data and model. */
async function prepare({ folder, seed, scale }: DemoOptions, model: string): Promise<WorldFiles> {
  const start = performance.now();
  const world = generateWorld({ ...scaledWorld(DEFAULT_WORLD, scale), seed });
  const files = await writeWorld(world, folder);
  const { passages, train, test } = world;
  await writeTinyModel(
    model,
    passages.map(({ text }) => text),
    seed,
  );
  console.log(
    `An invented world of ${passages.length} passages, ${train.queries.length} queries to train with and ` +
      `${test.queries.length} to test with, which share no entity, and an untrained ELECTRA, in ${folder} ` +
      `(${seconds(start)})\n\nFor example ${passages[0]!.docId}: ${passages[0]!.text}`,
  );
  return files;
}

/** Writes a configuration and runs a command with it; its failure ends the demo with the same exit code. */
async function runWith(verb: string, path: string, config: object): Promise<void> {
  await writeAtomically(path, (write) => write(stringify(config)));
  const code = await runCommand([verb, '--config', path]);
  if (code !== 0) process.exit(code);
}

/** Trains a stage in its own folder, then re-ranks the test queries with its model. The run that was written. */
async function trainAndReRank(
  setting: DemoSetting,
  folder: string,
  config: object,
): Promise<{ model: string; run: string }> {
  await rm(folder, { recursive: true, force: true }); // of a demo before this one
  await runWith('fit', `${folder}.yaml`, config);
  const model = trainedModel(folder);
  const saveDir = join(folder, 're-ranked');
  await runWith('re_rank', `${folder}-re-rank.yaml`, reRankConfig(setting, model, saveDir));
  return { model, run: join(saveDir, '__bm25__invented-world-test.run') };
}

async function printComparison(files: WorldFiles, runs: Readonly<Record<string, string>>): Promise<void> {
  const qrels = await readQrels(files.qrels.test);
  const rows = [];
  let first: number | undefined;
  for (const [label, path] of Object.entries(runs)) {
    const { mean } = evaluate(await readRun(path), qrels, MEASURES);
    const value = mean['nDCG@10']!;
    first ??= value;
    const gain = `${value < first ? '-' : '+'}${Math.abs(value - first).toFixed(4)}`;
    rows.push([label, ...MEASURES.map((measure) => mean[measure]), rows.length === 0 ? '' : gain]);
  }
  const columns = [DATASET_IDS.test, ...MEASURES].map((head, i) => (i === 0 ? { head } : { head, digits: 4 }));
  console.log(`\n${formatTable([...columns, { head: 'nDCG@10 over BM25' }], rows)}`);
}

async function main(options: DemoOptions): Promise<void> {
  const start = performance.now();
  const { folder, seed, steps } = options;
  const untrained = join(folder, 'model');
  const files = await prepare(options, untrained);
  const setting = { files, seed };
  const one = join(folder, 'stage-one');
  const first = await trainAndReRank(setting, one, firstStageConfig(setting, untrained, one, steps.first));
  const two = join(folder, 'stage-two');
  const second = await trainAndReRank(setting, two, secondStageConfig(setting, first.model, two, steps.second));
  await printComparison(files, {
    'BM25, which all others re-rank': files.runs.test.bm25,
    'stage one (InfoNCE)': first.run,
    'stage two (RankNet)': second.run,
    'teacher, noisy': files.runs.test.teacher,
  });
  console.log(`\nThe model is in ${second.model}. All of it took ${seconds(start)}.`);
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value >= 0)) throw new SetupError(`--${name}: expected a number of at least 0, received "${text}"`);
  return value;
}

const option = { type: 'string' } as const;
try {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { seed: option, scale: option, steps: option, help: { type: 'boolean' } },
  });
  if (values.help) console.log(USAGE);
  else {
    process.chdir(root);
    const steps = numberOf('steps', values.steps);
    await main({
      folder: positionals[0] ?? join('build', 'demo'),
      seed: numberOf('seed', values.seed) ?? DEFAULT_WORLD.seed,
      scale: numberOf('scale', values.scale) ?? 1,
      steps: steps === undefined ? STEPS : { first: steps, second: steps },
    });
  }
} catch (error) {
  giveUpCommand(error);
}
