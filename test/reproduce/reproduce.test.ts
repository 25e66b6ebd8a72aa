import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { readRun } from '../../src/data/run-file.js';
import { temporaryFolder } from '../support/files.js';
import { REFERENCES } from '../support/models.js';
import { paperWorld, type PaperWorld } from '../support/paper-world.js';
import { runOf, tarGz } from '../support/public-data.js';
import { sharedPath } from '../support/shared.js';

/**
 * `npm run reproduce` as it is, on a machine that has nothing, with stand-ins of the paper's models, runs and datasets on a
 * server on loopback. What it has to find was computed with lightning-ir and ir_measures: scripts/references/reproduce.py.
 */
const test = suite('npm run reproduce');

type ByTopic<T> = Record<string, T>;
interface Golden {
  models: Record<string, string>;
  passages: Record<string, string>;
  datasets: Record<
    string,
    {
      queries: ByTopic<string>;
      qrels: ByTopic<Record<string, number>>;
      /** First stage → topic → documents, best first. */
      runs: Record<string, ByTopic<string[]>>;
    }
  >;
  rows: Record<string, Record<string, number>>;
}
const golden = JSON.parse(readFileSync(new URL('golden/table.json', import.meta.url), 'utf8')) as Golden;
const LOADER = new URL('../../scripts/lib/load-typescript.mjs', import.meta.url).href;
const SCRIPT = fileURLToPath(new URL('../../scripts/reproduce/run.ts', import.meta.url));
const RUN = /^__(.+)__msmarco-passage-trec-dl-(\d+)-judged$/;

const lines = (rows: string[]): string => rows.map((row) => `${row}\n`).join('');
/** As MS MARCO's passages: the letter was encoded twice. */
const collection = lines(
  Object.entries(golden.passages).map(([id, text]) => `${id}\t${text.replaceAll('\u00e9', '\u00c3\u00a9')}`),
);
const queries = (year: string): string =>
  lines(Object.entries(golden.datasets[year]!.queries).map((row) => row.join('\t')));
const qrels = (year: string): string =>
  lines(
    Object.entries(golden.datasets[year]!.qrels).flatMap(([topic, grades]) =>
      Object.entries(grades).map(([id, grade]) => `${topic} 0 ${id} ${grade}`),
    ),
  );
function firstStage(name: string): string {
  const [, stage = '', year = ''] = RUN.exec(name)!;
  return lines(
    Object.entries(golden.datasets[year]!.runs[stage]!).flatMap(([topic, ids]) =>
      ids.map((id, i) => `${topic} Q0 ${id} ${i + 1} ${100 - i} ${stage}`),
    ),
  );
}

const NAMES = Object.keys(Object.values(golden.rows)[0]!);
const RUNS = Object.fromEntries(NAMES.map((name) => [`${name}.run`, firstStage(name)]));

async function goldenWorld(runs: Record<string, string> = RUNS): Promise<PaperWorld> {
  const models = Object.entries(golden.models).map(([id, folder]) => [id, join(REFERENCES, folder)]);
  return paperWorld({
    models: Object.fromEntries(models) as Record<string, string>,
    runs,
    datasets: {
      'msmarco-passage/collectionandqueries.tar.gz': await tarGz({ 'collection.tsv': collection }),
      'downloads/eda71eccbe4d251af83150abe065368c': gzipSync(queries('2019')),
      'msmarco-passage/trec-dl-2020/queries.tsv.gz': gzipSync(queries('2020')),
      'msmarco-passage/trec-dl-2019/qrels': qrels('2019'),
      'msmarco-passage/trec-dl-2020/qrels': qrels('2020'),
    },
  });
}

/** Writes a table to expect, and gives the options that name it. */
function expecting(home: string, rows: Golden['rows'] = golden.rows): string[] {
  const path = join(home, 'table.json');
  const table = { source: 'lightning-ir', measure: 'nDCG@10', tolerance: 0.003, toleranceOfTraining: 0.015, rows };
  writeFileSync(path, JSON.stringify(table));
  return ['--expected', path, '--out', join(home, 'out')];
}

/** The reference computes in float32. */
const EXACT = ['--', '--trainer.precision', '32-true'];

interface Reproduced {
  code: number | null;
  stdout: string;
  stderr: string;
}

async function reproduce(args: string[], variables: Readonly<Record<string, string>> = {}): Promise<Reproduced> {
  // the runner of the tests forbids downloads; these go to the server on loopback
  const { RANK_DISTILLM_OFFLINE: _, ...env } = process.env;
  const child = spawn(process.execPath, ['--import', LOADER, SCRIPT, ...args], {
    env: { ...env, ...variables, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const result: Reproduced = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
  [result.code] = (await once(child, 'close')) as [number | null];
  return result;
}

const verdicts = (stdout: string): string[] => stdout.match(/ (ok|differs|topics are missing)$/gm) ?? [];

test('table: both models re-rank all runs from an empty home, and every cell is the one of lightning-ir', async () => {
  await using world = await goldenWorld();
  const first = await reproduce(['--what', 'table', ...expecting(world.home), ...EXACT], world.variables);
  assert.is(first.code, 0, first.stderr);
  assert.is(verdicts(first.stdout).filter((text) => text === ' ok').length, 8, first.stdout);
  assert.match(first.stdout, /All 8 figures are within 0\.003/);
  const asked = world.requests();
  for (const wanted of ['trec-dl-2019-judged.run', 'collectionandqueries.tar.gz', 'webis/monoelectra-large']) {
    assert.ok(
      asked.some((path) => path.includes(wanted)),
      wanted,
    );
  }
  // a second call finds the runs there; one cell of another value is named, and it alone
  const [model, name] = ['webis/monoelectra-large', '__colbert__msmarco-passage-trec-dl-2019-judged'];
  const row = golden.rows[model]!;
  const changed = { ...golden.rows, [model]: { ...row, [name]: row[name]! + 0.004 } };
  const second = await reproduce(['--what', 'table', ...expecting(world.home, changed), ...EXACT], {
    ...world.variables,
    RANK_DISTILLM_OFFLINE: '1',
  });
  assert.is(second.code, 1);
  assert.equal(world.requests(), []);
  assert.match(second.stderr, /holds this result already/);
  assert.is(verdicts(second.stdout).filter((text) => text === ' differs').length, 1, second.stdout);
  const value = row[name]!.toFixed(4);
  const expected = String(row[name]! + 0.004);
  assert.ok(
    second.stderr.includes(
      `error: 1 of 8 figures is not reproduced:\n  ${model}, ${name}: nDCG@10 is ${value}, expected ${expected} ± 0.003\n`,
    ),
    second.stderr,
  );
});

test('table: a run without some topics is named, with the topics', async () => {
  const name = '__bm25__msmarco-passage-trec-dl-2020-judged';
  const topics = Object.keys(golden.datasets['2020']!.queries);
  const gone = topics[2]!;
  const rest = RUNS[`${name}.run`]!.replace(new RegExp(`^${gone} .*\n`, 'gm'), '');
  await using world = await goldenWorld({ ...RUNS, [`${name}.run`]: rest });
  const base = 'webis/monoelectra-base';
  const options = ['--models', base, ...expecting(world.home), ...EXACT];
  const { code, stdout, stderr } = await reproduce(['--what', 'table', ...options], world.variables);
  assert.is(code, 1);
  assert.ok(
    stderr.includes(
      `error: 1 of 4 figures is not reproduced:\n  ${base}, ${name}: the run lacks 1 of ${topics.length} judged topics (${gone})\n`,
    ),
    stderr,
  );
  assert.is(verdicts(stdout).filter((text) => text === ' ok').length, 3);
});

test('without a network the first missing file is named, and the command that wanted it', async () => {
  const world = await goldenWorld();
  await world[Symbol.asyncDispose](); // nothing listens there any more
  const { code, stdout, stderr } = await reproduce(['--what', 'table', ...expecting(world.home)], world.variables);
  assert.is(code, 1);
  assert.match(stderr, /error: .*(monoelectra-base|zenodo:15131907).* cannot be downloaded: 127\.0\.0\.1/);
  assert.match(stderr, /error: npx rank-distillm re_rank ended with exit code \d/);
  assert.not.match(stderr, /\n {4}at /);
  assert.not.match(stdout, /measured/);
});

test('training: stage two starts from stage one, re_rank from stage two, and an interrupted call goes on', async () => {
  const start = 'google/electra-base-discriminator';
  const standIn = Object.fromEntries(
    NAMES.map((name) => [`${name}.run`, runOf(`trec-dl-${RUN.exec(name)![2] as '2019' | '2020'}`, 'x')]),
  );
  await using world = await paperWorld({ models: { [start]: join(REFERENCES, 'mono-rank') }, runs: standIn });
  const { home, variables } = world;
  const short = ['--trainer.max_steps', '2', '--data.train_batch_size', '2'];
  const options = ['--save-every', '1', ...expecting(home), ...EXACT, ...short];
  const all = await reproduce(['--what', 'training', ...options], variables);
  const commands = all.stdout.match(/^\$ npx rank-distillm .*$/gm)!.map((line) => line.split(' '));
  const of = (command: string[]) => command[command.indexOf('--model.model_name_or_path') + 1];
  const folder = join(home, 'out/training/base');
  assert.equal(
    commands.map((command) => [command[3], of(command)]),
    [
      ['fit', start],
      ['fit', `${folder}/pre-finetune/model`],
      ['re_rank', `${folder}/finetune/model`],
    ],
    all.stderr,
  );
  assert.is(all.code, 1); // a stand-in of two steps has none of the figures
  assert.is(verdicts(all.stdout).length, 4, all.stderr);
  assert.match(all.stderr, /webis\/monoelectra-base, __bm25__.*: nDCG@10 is 0\.\d{4}, expected .* ± 0\.015/);
  const [best] = await readRun(join(folder, `runs/${NAMES[0]}.run`));
  await using model = await CrossEncoder.load(join(folder, 'finetune/model'));
  const topic = Number(best!.queryId.slice(2));
  const passage = (id: string): string =>
    /* as public-data.ts, repaired */
    `passage ${id} don\u2019t \u00e9 caf\u00e9 about topic ${Number(id) % 12}`;
  const [score] = await model.score([{ query: `query about topic ${topic}`, document: passage(best!.docId) }]);
  assert.ok(Math.abs(score! - best!.score) < 1e-5, `${score} is not ${best!.score}`);

  rmSync(join(folder, 'finetune/model'), { recursive: true });
  const again = await reproduce(['--what', 'training', ...options], { ...variables, RANK_DISTILLM_OFFLINE: '1' });
  const verbs = again.stdout.match(/^\$ npx rank-distillm .*$/gm)!.map((line) => line.split(' ')[3]);
  assert.equal(verbs, ['fit', 're_rank'], again.stderr);
});

test('notebook: the public runs have their published figures', async () => {
  const data = sharedPath('data');
  if (!data) return;
  const { code, stdout, stderr } = await reproduce(['--what', 'notebook', '--data', data]);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^rank-vicuna_bm25 +nDCG@10 +0\.6549 +0\.6549 +[+-]0\.0000 +ok +rank_llm$/m);
  assert.match(stdout, /All 29 figures are within 0\.0005/);
});

test('unknown words, files and rows are told without a stack trace', async () => {
  const folder = temporaryFolder();
  const bad = join(folder, 'bad.json');
  writeFileSync(bad, '{"source": 1}');
  for (const [args, said] of [
    [['--what', 'tables'], '--what: expected table, training, notebook, received "tables"'],
    [['--what', 'table', '--expected', bad], `${bad}: ✖ Invalid input`],
    [['--what', 'table', '--models', 'webis/none'], 'the table has no row webis/none'],
    [['--what', 'notebook', '--data', folder], 'trec-dl-2020/qrels.txt is not there'],
  ] as const) {
    const { code, stderr } = await reproduce([...args]);
    assert.is(code, 1);
    assert.ok(stderr.includes(`error: `) && stderr.includes(said), stderr);
    assert.not.match(stderr, /\n {4}at /);
  }
});

test.run();
