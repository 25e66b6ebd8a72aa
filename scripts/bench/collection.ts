import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CollectionStore } from '../../src/data/collection/collection-store.js';
import { Random } from '../demo/random.js';
import { numberOf, runScript } from '../lib/command.js';
import { root } from '../lib/root.mjs';
import { type ColumnOf, say, tableOf, watchAnonymous } from './host.js';
import { idV2, passagesOfFileV2, V1_PASSAGES, V2_PASSAGES, writePassages, writePassagesV2 } from './scale/stand-ins.js';

const LOADER = new URL('../lib/load-typescript.mjs', import.meta.url).href;
const V2_SHARE = 50;
const LOOKUPS = 500_000;
const READS = 500_000;
/** Documents per call, as a query's candidates. */
const TOGETHER = 1000;
const USAGE = `usage: npm run bench -- collection [--passages ${V1_PASSAGES}] [--passages-v2 ${Math.round(V2_PASSAGES / V2_SHARE)}] [--folder DIR] [--keep]

Made-up collections as large as MS MARCO's v1 (3 GB) and as a fiftieth of its v2 (a tar of gzip files): how fast they are
indexed and opened, how many texts are read at random (id to string) with files and index in the page cache, what the
index takes on disk and the process in anonymous memory. Needs 8 GB in --folder; removes what it wrote unless --keep.`;

/** What was measured of one collection. CPU seconds are of all threads: on a busy host only they mean something. */
interface CollectionRow {
  name: string;
  passages: number;
  megabytes: number;
  indexMegabytes: number;
  build: Rate;
  openSeconds: number;
  lookups: Rate;
  reads: Rate;
  /** Largest anonymous memory in MB (Anonymous of smaps_rollup) while it was built, and while texts were read. */
  anonymous: { build: number; reads: number };
}

/** Units a second, by the clock and by the CPU. */
interface Rate {
  wall: number;
  cpu: number;
}

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

async function rateOf(units: number, work: () => unknown): Promise<Rate> {
  const [wall, cpu] = [performance.now(), cpuSeconds()];
  await work();
  return { wall: units / ((performance.now() - wall) / 1000), cpu: units / (cpuSeconds() - cpu) };
}

/** Anonymous memory of the process, in MB. */
function anonymousMegabytes(): number {
  return Number(/^Anonymous:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1]) / 1000;
}

/** Reads a file, so that it is in the page cache. */
async function warm(path: string): Promise<void> {
  await once(createReadStream(path, { highWaterMark: 2 ** 20 }).resume(), 'close');
}

interface Written {
  name: string;
  path: string;
  passages: number;
  /** Bytes of text. */
  bytes: number;
  /** Of the index; emptied first. */
  folder: string;
}

/** Measures, each phase in a process that holds nothing else. */
async function measured(written: Written): Promise<CollectionRow> {
  say(`measuring ${written.name}`);
  const { name, passages, bytes } = written;
  const [built, read] = [await inChild('build', written), await inChild('read', written)];
  const anonymous = { build: built.anonymous, reads: read.anonymous };
  return { name, passages, megabytes: bytes / 1e6, ...built, ...read, anonymous };
}

const PHASES = { build: measureBuild, read: measureReads };

async function inChild<P extends keyof typeof PHASES>(phase: P, written: Written) {
  // tsx keeps some 100 MB of its own
  const child = fork(fileURLToPath(import.meta.url), [phase, JSON.stringify(written)], {
    execArgv: ['--import', LOADER],
  });
  const [message] = await Promise.all([once(child, 'message'), once(child, 'close')]);
  return message[0] as Awaited<ReturnType<(typeof PHASES)[P]>>;
}

async function measureBuild({ path, bytes, folder }: Written) {
  await rm(folder, { recursive: true, force: true });
  await warm(path);
  const watch = watchAnonymous();
  const build = await rateOf(bytes / 1e6, async () => (await CollectionStore.open(path, { folder })).close());
  return { build, anonymous: watch.stop() * 1.048576 };
}

async function measureReads({ path, passages, folder }: Written) {
  const inFile = passagesOfFileV2(0, passages);
  const idOf = path.endsWith('.tar') ? (i: number) => idV2(Math.floor(i / inFile) % 70, i % inFile) : String;
  const openings: number[] = [];
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    await (await CollectionStore.open(path, { folder })).close();
    openings.push((performance.now() - start) / 1000);
  }
  const files = await readdir(folder);
  const index = files.find((file) => file.endsWith('.index'))!;
  for (const file of files) await warm(join(folder, file));
  await using store = await CollectionStore.open(path, { folder });
  const random = new Random(1);
  const ids = (count: number): string[] => Array.from({ length: count }, () => idOf(random.below(passages)));
  const wanted = ids(LOOKUPS);
  const lookups = await rateOf(LOOKUPS, () => {
    for (const id of wanted) if (!store.has(id)) throw new Error(`${id} is missing`);
  });
  wanted.length = 0;
  for (let i = 0; i < 20; i++) await store.getTexts(ids(TOGETHER)); // its code is optimized by then
  const reading = watchAnonymous();
  const reads = await rateOf(READS, async () => {
    // the next call is sent while the last one's texts are decoded
    let next = store.getTexts(ids(TOGETHER));
    for (let done = TOGETHER; done <= READS; done += TOGETHER) {
      const texts = next;
      if (done < READS) next = store.getTexts(ids(TOGETHER));
      if ((await texts).length !== TOGETHER) throw new Error('texts are missing');
    }
  });
  const anonymous = Math.max(reading.stop() * 1.048576, anonymousMegabytes());
  const { size } = await stat(join(folder, index));
  const openSeconds = openings.sort((a, b) => a - b)[2]!;
  return { indexMegabytes: size / 1e6, openSeconds, lookups, reads, anonymous };
}

const COLUMNS: ColumnOf<CollectionRow>[] = [
  { head: 'collection', of: ({ name }) => name },
  { head: 'passages', digits: 0, of: ({ passages }) => passages },
  { head: 'MB of text', digits: 0, of: ({ megabytes }) => megabytes },
  { head: 'index MB', digits: 0, of: ({ indexMegabytes }) => indexMegabytes },
  { head: 'build MB/s', digits: 0, of: ({ build }) => build.wall },
  { head: 'MB/s of CPU', digits: 0, of: ({ build }) => build.cpu },
  { head: 'open s', digits: 2, of: ({ openSeconds }) => openSeconds },
  { head: 'has/s', digits: 0, of: ({ lookups }) => lookups.wall },
  { head: 'of CPU', digits: 0, of: ({ lookups }) => lookups.cpu },
  { head: 'texts/s', digits: 0, of: ({ reads }) => reads.wall },
  { head: 'of CPU', digits: 0, of: ({ reads }) => reads.cpu },
  { head: 'anonymous MB, build', digits: 0, of: ({ anonymous }) => anonymous.build },
  { head: 'reads', digits: 0, of: ({ anonymous }) => anonymous.reads },
];

async function main(passages: number, passagesV2: number, folder: string, isKept: boolean): Promise<void> {
  await mkdir(folder, { recursive: true });
  const at = (name: string): string => join(folder, name);
  const rows: CollectionRow[] = [];
  try {
    if (passages > 0) {
      say(`writing ${passages} passages`);
      writePassages(at('collection.tsv'), passages);
      const { size } = await stat(at('collection.tsv'));
      rows.push(
        await measured({ name: 'v1, TSV', path: at('collection.tsv'), passages, bytes: size, folder: at('index') }),
      );
      await rm(at('collection.tsv'));
    }
    if (passagesV2 > 0) {
      say(`writing ${passagesV2} passages as v2`);
      const path = at('msmarco_v2_passage.tar');
      const bytes = await writePassagesV2(path, passagesV2);
      rows.push(await measured({ name: 'v2, tar of gzips', path, passages: passagesV2, bytes, folder: at('index') }));
    }
  } finally {
    if (!isKept) await rm(folder, { recursive: true, force: true });
  }
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node.js ${process.version}\n${tableOf(COLUMNS, rows)}`);
}

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) {
  const [phase, written] = process.argv.slice(2) as [keyof typeof PHASES, string];
  process.send(await PHASES[phase](JSON.parse(written) as Written));
}

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    { passages: option, 'passages-v2': option, folder: option, keep: { type: 'boolean', default: false } },
    ({ passages, 'passages-v2': passagesV2, folder, keep }) =>
      main(
        numberOf('passages', passages, 'a number of at least 0') ?? V1_PASSAGES,
        numberOf('passages-v2', passagesV2, 'a number of at least 0') ?? Math.round(V2_PASSAGES / V2_SHARE),
        folder ?? join(root, 'build/bench/collection'),
        keep,
      ),
    args,
  );
