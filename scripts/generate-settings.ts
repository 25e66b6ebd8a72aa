// Writes what follows from the declarations of the settings: the tables in docs/cli.md and docs/api.md, and
// configs/schema.json.
// usage: node --import tsx scripts/generate-settings.ts
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { keyGroups, rowsOf, type KeyGroup } from '../src/config/describe.js';
import { optionName } from '../src/config/option-names.js';
import { earlyStoppingOptions, modelCheckpointOptions } from '../src/config/schema/callbacks.js';
import { runDatasetOptions, tupleDatasetOptions } from '../src/config/schema/data.js';
import { monoOptions } from '../src/config/schema/model.js';
import { shardOptions } from '../src/config/schema/shard.js';
import { trainerOptions } from '../src/config/schema/trainer.js';
import { adamWOptions } from '../src/config/schema/training.js';
import { doctorOptions } from '../src/doctor/doctor.js';
import { loadOptions, rankOptions, scoreOptions, streamOptions } from '../src/engine/cross-encoder-options.js';
import { trainableOptions } from '../src/engine/trainable-model.js';
import { fitOptions, trainSection, validateSection } from '../src/fit/fit-options.js';
import { mergeRunsOptions } from '../src/rerank/merge-runs.js';
import { rerankRunsOptions } from '../src/rerank/rerank-options.js';
import { serveOptions } from '../src/serve/options.js';
import { trainerClassOptions } from '../src/train/trainer.js';
import { settingsSchema } from './settings-schema.js';

export const SCHEMA = fileURLToPath(new URL('../configs/schema.json', import.meta.url));

/** The text of configs/schema.json. */
export function schemaText(): string {
  return `${JSON.stringify(settingsSchema(), null, 1)}\n`;
}

const START = '<!-- keys: made by scripts/generate-settings.ts from src/config/schema -->';
const END = '<!-- /keys -->';

export const DOCS = fileURLToPath(new URL('../docs/cli.md', import.meta.url));

export const API_DOCS = fileURLToPath(new URL('../docs/api.md', import.meta.url));
const API_START = '<!-- options: made by scripts/generate-settings.ts -->';
const API_END = '<!-- /options -->';

/** Options of the API by the function, or the option of one, that takes them. */
const OPTIONS: [title: string, schema: z.ZodObject][] = [
  ['CrossEncoder.load(name, options)', loadOptions],
  ['score(pairs, options)', scoreOptions],
  ['scoreStream(pairs, options)', streamOptions],
  ['rank(query, documents, options)', rankOptions],
  ['rerankRuns(options)', rerankRunsOptions],
  ['shard of rerankRuns', shardOptions],
  ['mergeRuns(options)', mergeRunsOptions],
  ['RunDataset.open(options), and runs and datasets in other options', runDatasetOptions],
  ['fit(options)', fitOptions],
  ['train of fit', trainSection],
  ['validate of fit', validateSection],
  ['trainer of fit', trainerOptions],
  ['optimizer of fit and Trainer: AdamW', adamWOptions],
  ['checkpoints of fit: ModelCheckpoint', modelCheckpointOptions],
  ['earlyStopping of fit: EarlyStopping', earlyStoppingOptions],
  ['TupleDataset', tupleDatasetOptions],
  ['config: fields of MonoConfig', monoOptions],
  ['TrainableModel.load(name, options)', trainableOptions],
  ['new Trainer(model, options)', trainerClassOptions],
  ['doctor(options)', doctorOptions],
  ['serve(options)', serveOptions],
];

/** The tables of options in docs/api.md. */
export function optionTables(): string {
  const tables = OPTIONS.map(([title, schema]) => {
    const lines = rowsOf('', schema).map(
      ({ key, type, default: fallback, doc }) =>
        `| \`${optionName(key)}\` | ${cell(type)} | ${fallback === 'required' ? fallback : fallback && cell(`\`${fallback}\``)} | ${cell(doc)} |`,
    );
    return [`### ${title}`, '', '| option | takes | default | meaning |', '|---|---|---|---|', ...lines].join('\n');
  });
  return `${API_START}\n\n${tables.join('\n\n')}\n\n${API_END}`;
}

async function replaceIn(path: string, start: string, end: string, text: string): Promise<void> {
  const before = await readFile(path, 'utf8');
  const to = before.indexOf(end) + end.length;
  await writeFile(path, before.slice(0, before.indexOf(start)) + text + before.slice(to));
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function section({ owner, rows }: KeyGroup): string {
  const listed = rows.filter((row) => row.use !== 'ignored');
  const ignored = rows.filter((row) => row.use === 'ignored').map((row) => `\`${row.key}\``);
  const lines = listed.map((row) => {
    const doc = `${row.use === 'used' ? '' : `(${row.use}) `}${row.doc}`;
    const fallback = row.default === '' ? '' : row.default === 'required' ? 'required' : `\`${row.default}\``;
    return `| \`${row.key}\` | ${cell(row.type)} | ${cell(fallback)} | ${cell(doc)} |`;
  });
  return [
    `### ${owner === '' ? 'Top level' : `\`${owner}\``}`,
    '',
    '| key | takes | default | meaning |',
    '|---|---|---|---|',
    ...lines,
    ...(ignored.length > 0 ? ['', `Accepted and without effect: ${ignored.join(', ')}.`] : []),
  ].join('\n');
}

/** The tables of keys in docs/cli.md. */
export function keyTables(): string {
  const sections = keyGroups().flatMap((group) => (group.rows.length > 0 ? [section(group)] : []));
  return `${START}\n\n${sections.join('\n\n')}\n\n${END}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await replaceIn(DOCS, START, END, keyTables());
  await replaceIn(API_DOCS, API_START, API_END, optionTables());
  await writeFile(SCHEMA, schemaText());
}
