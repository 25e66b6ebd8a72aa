import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { readQrels } from '../../src/data/formats/qrels.js';
import { readRun } from '../../src/data/read-run.js';
import { evaluate } from '../../src/evaluate/evaluate.js';
import { writeAtomically } from '../../src/io/atomic-write.js';
import { formatMetrics } from '../../src/report/table.js';
import { writeTinyModel } from './tiny-model.js';
import { DEFAULT_WORLD, generateWorld } from './world/generate.js';
import { DATASET_IDS, writeWorld, type WorldFiles } from './world/write.js';

const MEASURES = ['nDCG@10', 'AP', 'RR'];

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The configuration that re-ranks the test queries' BM25 run, with lightning-ir's keys. */
function configOf(files: WorldFiles, model: string, saveDir: string): object {
  const test = DATASET_IDS.test;
  return {
    datasets: { [test]: { docs: files.collection, queries: files.queries.test, qrels: files.qrels.test } },
    trainer: {
      precision: '32-true',
      callbacks: [{ class_path: 'ReRankCallback', init_args: { save_dir: saveDir, overwrite: true } }],
    },
    data: {
      class_path: 'LightningIRDataModule',
      init_args: {
        inference_batch_size: 32,
        inference_datasets: [
          {
            class_path: 'RunDataset',
            init_args: { run_path_or_id: files.runs.test.bm25, depth: 100, sampling_strategy: 'top' },
          },
        ],
      },
    },
    model: {
      class_path: 'CrossEncoderModule',
      init_args: {
        model_name_or_path: model,
        config: { class_path: 'MonoConfig', init_args: { query_length: 32, doc_length: 256 } },
        evaluation_metrics: MEASURES,
      },
    },
  };
}

/** Runs the built command line as a user would. Its exit code. */
async function runCommand(args: readonly string[]): Promise<number> {
  console.log(`\n$ npx rank-distillm ${args.join(' ')}`);
  const child = spawn(process.execPath, [join(root, 'dist', 'cli', 'main.js'), ...args], {
    stdio: 'inherit',
    cwd: root,
  });
  // Ctrl-C reaches the child as well, which ends cleanly and tells by its exit code
  const wait = (): void => undefined;
  process.on('SIGINT', wait);
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve(code ?? 1));
    });
  } finally {
    process.off('SIGINT', wait);
  }
}

async function printComparison(files: WorldFiles, reRanked: string): Promise<void> {
  const qrels = await readQrels(files.qrels.test);
  const runs = {
    'BM25 (first stage)': files.runs.test.bm25,
    're-ranked, random weights': reRanked,
    teacher: files.runs.test.teacher,
  };
  const rows = [];
  for (const [label, path] of Object.entries(runs)) {
    rows.push({ label, values: evaluate(await readRun(path), qrels, MEASURES).mean });
  }
  console.log(`\n${formatMetrics(DATASET_IDS.test, rows)}\n`);
  console.log(
    'The model is freshly initialised: its weights are random, so the re-ranked figures mean nothing. They show that\n' +
      'the whole way works: data, tokens, engine, run file, measures. Training will come in a later version; BM25 is\n' +
      'what a trained model has to beat, the teacher (made from the judgements with noise) is what it learns from.',
  );
}

/** Makes the demo's data and model, re-ranks with the command line and compares. */
async function main(folder: string): Promise<number> {
  const world = generateWorld(DEFAULT_WORLD);
  const files = await writeWorld(world, folder);
  const { passages, train, test } = world;
  console.log(
    `An invented world: ${passages.length} passages, ${train.queries.length} train and ${test.queries.length} test ` +
      `queries in ${folder}`,
  );
  const model = join(folder, 'model');
  await writeTinyModel(
    model,
    passages.map(({ text }) => text),
    DEFAULT_WORLD.seed,
  );
  console.log(`A small ELECTRA of random weights in ${model}`);
  const config = join(folder, 're-rank.yaml');
  const saveDir = join(folder, 're-ranked');
  await writeAtomically(config, (write) => write(stringify(configOf(files, model, saveDir))));
  const code = await runCommand(['re_rank', '--config', config]);
  if (code === 0) await printComparison(files, join(saveDir, '__bm25__invented-world-test.run'));
  return code;
}

const { positionals } = parseArgs({ allowPositionals: true });
process.chdir(root);
process.exitCode = await main(positionals[0] ?? join('build', 'demo'));
