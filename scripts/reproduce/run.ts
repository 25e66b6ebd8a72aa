import { existsSync } from 'node:fs';
import { cp, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { readProvenance } from '../../src/rerank/provenance.js';
import { newestModel, numberOf, runScript, runVerb } from '../lib/command.js';
import { root } from '../lib/root.mjs';
import { SetupError } from '../lib/say.mjs';
import { checkFigures, type Figure } from './check.js';

const USAGE = `usage: npm run reproduce -- --what table|training|notebook [options] [-- options of re_rank or fit]

  table      re-ranks the four runs of the paper's table with the published models, and checks each cell
  training   trains both stages, re-ranks the four runs with the result, and checks the row of the same size
  notebook   measures public runs of DL 2020, and checks the figures that are published for them

What has been finished below --out is kept: the same command goes on where an interrupted one ended.

  --models LIST    of table: rows, default webis/monoelectra-base,webis/monoelectra-large
  --size NAME      of training: base (default) or large
  --save-every N   of training: steps between checkpoints, default 100
  --data FOLDER    of notebook: with trec-dl-2020, default ../shared/data
  --expected FILE  default configs/paper/table.json, notebook.json
  --out FOLDER     default build/reproduce
  Arguments after -- go to each re_rank and fit: -- --trainer.accelerator gpu`;

const CONFIGS = join('configs', 'paper');

const tableSchema = z.strictObject({
  source: z.string(),
  measure: z.string(),
  tolerance: z.number().positive(),
  toleranceOfTraining: z.number().positive(),
  /** Model → name of the run → value. */
  rows: z.record(z.string(), z.record(z.string(), z.number())),
});
const notebookSchema = z.strictObject({
  qrels: z.string(),
  tolerance: z.number().positive(),
  sources: z.record(z.string(), z.string()),
  /** Run, measure, value, source. */
  figures: z.array(z.tuple([z.string(), z.string(), z.number(), z.string()])),
});
type PaperTable = z.infer<typeof tableSchema>;

async function readExpected<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new SetupError(`${path}: ${why}`, `${CONFIGS} has the files to start from.`);
  }
}

/** Re-ranks the runs of the table with a model; the figures of its row. */
async function reRank(
  model: string,
  folder: string,
  row: string,
  table: PaperTable,
  options: string[],
): Promise<Figure[]> {
  const cells = table.rows[row];
  if (!cells) throw new SetupError(`the table has no row ${row}`, `Its rows: ${Object.keys(table.rows).join(', ')}.`);
  const naming = ['--trainer.callbacks+=ReRankCallback', '--trainer.callbacks.save_dir', folder];
  const config = ['--config', join(CONFIGS, 're-rank.yaml'), '--model.model_name_or_path', model];
  await runVerb(['re_rank', ...config, ...naming, ...options]);
  const figures: Figure[] = [];
  for (const [name, expected] of Object.entries(cells)) {
    const run = join(folder, `${name}.run`);
    const qrels = (await readProvenance(run))?.dataset.qrels;
    if (qrels == null) throw new SetupError(`${run}: re_rank has left no such run, or one without judgements`);
    figures.push({ names: { model: row, run: name }, run, qrels, measure: table.measure, expected });
  }
  return figures;
}

async function reproduceTable(table: PaperTable, models: string[], out: string, options: string[]): Promise<void> {
  const figures: Figure[] = [];
  for (const model of models) {
    figures.push(...(await reRank(model, join(out, 'table', basename(model)), model, table, options)));
  }
  await checkFigures(figures, table.tolerance);
}

interface Training {
  folder: string;
  /** Steps between checkpoints. */
  saveEvery: number;
  options: string[];
}

/** Trains a stage, unless it is finished; its model. A stage takes days on a CPU: it continues from its newest checkpoint. */
async function trainStage(
  stage: string,
  model: string,
  { folder: out, saveEvery, options }: Training,
): Promise<string> {
  const folder = join(out, stage);
  const done = join(folder, 'model');
  if (existsSync(done)) return done;
  const config = ['--config', join(CONFIGS, `${stage}.yaml`), '--model.model_name_or_path', model];
  const saving = [
    ...['--trainer.callbacks+=ModelCheckpoint'], // after each epoch
    ...['--trainer.callbacks+=ModelCheckpoint', '--trainer.callbacks.every_n_train_steps', String(saveEvery)],
  ];
  const where = ['--trainer.default_root_dir', folder, '--ckpt_path', 'last'];
  await runVerb(['fit', ...config, ...saving, ...where, ...options]);
  const trained = await newestModel(folder);
  if (!existsSync(trained)) {
    throw new SetupError(`${trained}: fit ended before it saved`, 'Give a smaller --save-every.');
  }
  // cp would merge into what a killed run has left
  await rm(`${done}.tmp`, { recursive: true, force: true });
  await cp(trained, `${done}.tmp`, { recursive: true });
  await rename(`${done}.tmp`, done);
  return done;
}

async function reproduceTraining(table: PaperTable, size: string, training: Training): Promise<void> {
  const first = await trainStage('pre-finetune', `google/electra-${size}-discriminator`, training);
  const second = await trainStage('finetune', first, training);
  const runs = join(training.folder, 'runs');
  const figures = await reRank(second, runs, `webis/monoelectra-${size}`, table, training.options);
  await checkFigures(figures, table.toleranceOfTraining);
}

async function reproduceNotebook(path: string, data: string): Promise<void> {
  const { qrels, tolerance, sources, figures } = await readExpected(path, notebookSchema);
  const missing = [qrels, ...figures.map(([run]) => run)].find((file) => !existsSync(join(data, file)));
  if (missing !== undefined) {
    throw new SetupError(
      `${join(data, missing)} is not there`,
      'The runs are not part of the repository: --data names their folder.',
    );
  }
  for (const [name, text] of Object.entries(sources)) console.log(`${name}: ${text}`);
  await checkFigures(
    figures.map(([run, measure, expected, source]) => ({
      names: { run: basename(run).replace(/\.run(\.gz)?$/, '') },
      ...{ run: join(data, run), qrels: join(data, qrels), measure, expected, source },
    })),
    tolerance,
  );
}

const option = { type: 'string' } as const;
await runScript(
  USAGE,
  {
    what: option,
    models: { ...option, default: 'webis/monoelectra-base,webis/monoelectra-large' },
    size: { ...option, default: 'base' },
    'save-every': { ...option, default: '100' },
    data: { ...option, default: join('..', 'shared', 'data') },
    expected: option,
    out: { ...option, default: join('build', 'reproduce') },
  },
  async ({ what, models, size, 'save-every': every, data, expected, out }, options) => {
    const known = { table: 'table', training: 'table', notebook: 'notebook' };
    if (what === undefined || !Object.hasOwn(known, what)) {
      throw new SetupError(
        `--what: expected ${Object.keys(known).join(', ')}, received "${what ?? ''}"`,
        'See --help.',
      );
    }
    process.chdir(root);
    const path = expected ?? join(CONFIGS, `${known[what as keyof typeof known]}.json`);
    if (what === 'notebook') return reproduceNotebook(path, data);
    const table = await readExpected(path, tableSchema);
    if (what === 'table') await reproduceTable(table, models.split(','), out, options);
    else {
      const saveEvery = numberOf('save-every', every, 'a whole number above 0');
      await reproduceTraining(table, size, { folder: join(out, 'training', size), saveEvery, options });
    }
  },
);
