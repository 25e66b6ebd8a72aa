import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RunFile } from '../../src/data/run-file.js';
import { Random } from '../demo/random.js';
import { numberOf, runScript } from '../lib/command.js';
import { root } from '../lib/root.mjs';
import { type ColumnOf, say, tableOf, watchAnonymous } from './host.js';
import { V1_PASSAGES, writeParquetRun, writeTrecRun } from './scale/stand-ins.js';

const TOPICS = 2000;
const USAGE = `usage: npm run bench -- runs [--topics 800000] [--dev-topics 7000] [--python python3] [--folder DIR] [--keep]

Made-up runs as large as the published ones: 100 documents for each of --topics in Parquet (80 million rows), 1,000 for each
of --dev-topics as TREC text. How long the first opening takes and a later one, how fast topics are read at random, and
the anonymous memory. --python names a Python with pyarrow and numpy, which writes the Parquet file in a quarter of the
time and as pandas does. Needs 5 GB in --folder; removes what it wrote unless --keep.`;

interface RunRow {
  name: string;
  rows: number;
  megabytes: number;
  cacheMegabytes: number;
  firstOpen: Seconds;
  laterOpen: Seconds;
  /** Rows of topics in random order, as training draws them, a second. */
  rowsPerSecond: number;
  rowsPerCpuSecond: number;
  anonymousMegabytes: number;
}

/** By the clock, and of this process's CPU (the first opening also takes the CPU of a process that decodes Parquet). */
interface Seconds {
  wall: number;
  cpu: number;
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; seconds: Seconds }> {
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(cpu);
  return { result, seconds: { wall: (performance.now() - wall) / 1000, cpu: (user + system) / 1e6 } };
}

async function measure(name: string, path: string, folder: string): Promise<RunRow> {
  say(`measuring ${name}`);
  await rm(folder, { recursive: true, force: true });
  const watch = watchAnonymous();
  const open = (): Promise<RunFile> => RunFile.open(path, { cacheFrom: 0, folder });
  const first = await timed(open);
  await first.result.close();
  const later = await timed(open);
  await using run = later.result;
  const places = await run.places();
  const random = new Random(1);
  const order = Array.from({ length: TOPICS }, () => random.pick(places).queryId);
  let rows = 0;
  const { seconds } = await timed(async () => {
    for (const queryId of order) rows += (await run.topic(queryId)).entries.length;
  });
  const sizes = await Promise.all((await readdir(folder)).map((file) => stat(join(folder, file))));
  return {
    name,
    rows: run.size,
    megabytes: (await stat(path)).size / 1e6,
    cacheMegabytes: sizes.reduce((sum, { size }) => sum + size, 0) / 1e6,
    firstOpen: first.seconds,
    laterOpen: later.seconds,
    rowsPerSecond: rows / seconds.wall,
    rowsPerCpuSecond: rows / seconds.cpu,
    anonymousMegabytes: watch.stop() * 1.048576,
  };
}

const COLUMNS: ColumnOf<RunRow>[] = [
  { head: 'run', of: ({ name }) => name },
  { head: 'rows', digits: 0, of: ({ rows }) => rows },
  { head: 'MB', digits: 0, of: ({ megabytes }) => megabytes },
  { head: 'cache MB', digits: 0, of: ({ cacheMegabytes }) => cacheMegabytes },
  { head: 'first open s', digits: 0, of: ({ firstOpen }) => firstOpen.wall },
  { head: 'own CPU s', digits: 0, of: ({ firstOpen }) => firstOpen.cpu },
  { head: 'later open s', digits: 2, of: ({ laterOpen }) => laterOpen.wall },
  { head: 'CPU s', digits: 2, of: ({ laterOpen }) => laterOpen.cpu },
  { head: 'rows/s drawn', digits: 0, of: ({ rowsPerSecond }) => rowsPerSecond },
  { head: 'of CPU', digits: 0, of: ({ rowsPerCpuSecond }) => rowsPerCpuSecond },
  { head: 'anonymous MB', digits: 0, of: ({ anonymousMegabytes }) => anonymousMegabytes },
];

interface Options {
  topics: number;
  devTopics: number;
  python: string | undefined;
  folder: string;
  isKept: boolean;
}

async function main({ topics, devTopics, python, folder, isKept }: Options): Promise<void> {
  await mkdir(folder, { recursive: true });
  const at = (name: string): string => join(folder, name);
  const rows: RunRow[] = [];
  try {
    if (!existsSync(at('train.parquet'))) {
      say(`writing ${100 * topics} rows of Parquet`);
      const shape = { topics, depth: 100, passages: V1_PASSAGES };
      const script = fileURLToPath(new URL('scale/parquet_run.py', import.meta.url));
      const numbers = [shape.topics, shape.depth, shape.passages].map(String);
      if (python === undefined) await writeParquetRun(at('train.parquet'), shape);
      else execFileSync(python, [script, at('train.parquet'), ...numbers]);
    }
    rows.push(await measure('training, Parquet', at('train.parquet'), at('runs')));
    say(`writing ${1000 * devTopics} rows of TREC text`);
    writeTrecRun(at('dev.run'), { topics: devTopics, depth: 1000, passages: V1_PASSAGES });
    rows.push(await measure('dev, TREC', at('dev.run'), at('runs')));
  } finally {
    if (!isKept) await rm(folder, { recursive: true, force: true });
  }
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node.js ${process.version}\n${tableOf(COLUMNS, rows)}`);
}

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    {
      topics: option,
      'dev-topics': option,
      python: option,
      folder: option,
      keep: { type: 'boolean', default: false },
    },
    ({ topics, 'dev-topics': devTopics, python, folder, keep }) =>
      main({
        topics: numberOf('topics', topics, 'a whole number above 0') ?? 800_000,
        devTopics: numberOf('dev-topics', devTopics, 'a whole number above 0') ?? 7000,
        python,
        folder: folder ?? join(root, 'build/bench/runs'),
        isKept: keep,
      }),
    args,
  );
