import { createHash } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { provideFile } from '../fetch/datasets.js';
import { pathBeside } from '../io/leftovers.js';
import { packageVersion } from '../io/package-version.js';
import { readRegularFileIfPresent } from '../io/regular-file.js';
import { versionOf } from '../io/regions.js';
import type { OpenRun } from './open-run.js';
import type { RunTopics, TopicUse, UsedTopic } from './run-topics.js';

// Beside a run in the cache: what a survey of it found, so that it is not read again to be used again. A line each for
// some topics and for the rest; before each line the checksum of its bytes.

/** Topics in a line. */
const TOGETHER = 10_000;
const LIMIT = { bytes: 2 ** 31 };
/** Surveys of a run that are kept, those made last. */
const MOST_KEPT = 4;

type Rest = Omit<RunTopics, 'topics'> & { topics: number; readsQueries: boolean };

interface Columns {
  queryIds: string[];
  queries: string[];
  lines: number[];
  sizes: number[];
  /** Of the topics that have some: index in this line, ids. */
  added: [number, readonly string[]][];
}

/** What a survey found, and whether it needed the dataset's queries. */
interface Found {
  topics: RunTopics;
  readsQueries: boolean;
}

/** The survey of a run for one use of it. */
export class KeptSurvey {
  private constructor(
    private readonly stem: string,
    private readonly path: string,
  ) {}

  /** Undefined for runs that are not in the cache, and for those with texts of their own, which depend on more. */
  static async of({ file, source }: OpenRun, use: TopicUse): Promise<KeptSurvey | undefined> {
    const { dataset } = source;
    if (file.cacheStem === undefined || file.hasTexts || dataset?.docs === undefined) return undefined;
    const { depth, sampleSize, samplingStrategy, addDocsNotInRanking, targetOptions, purpose, grades } = use;
    const { docs, queries, qrels, repairsDocs } = dataset;
    const files = [docs, queries, grades === undefined ? undefined : qrels];
    const versions = await Promise.all(
      files.map(async (name) => (name === undefined ? null : [name, await versionOf(await provideFile(name))])),
    );
    const target = targetOptions && [targetOptions.targets, targetOptions.normalizeTargets, targetOptions.depth];
    const options = [depth, sampleSize, samplingStrategy, addDocsNotInRanking, purpose, repairsDocs];
    const parts = [packageVersion(), source.path, versions, target ?? null, options];
    const key = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
    return new KeptSurvey(file.cacheStem, `${file.cacheStem}.${key}.survey`);
  }

  /** Undefined if there is none, or it is damaged. */
  async read(): Promise<Found | undefined> {
    const bytes = await readRegularFileIfPresent(this.path, LIMIT).catch(() => undefined);
    if (bytes === undefined) return undefined;
    const topics: UsedTopic[] = [];
    for (let start = 0; start < bytes.length;) {
      const end = bytes.indexOf(10, start);
      const json = bytes.subarray(start + 9, end === -1 ? bytes.length : end);
      if (end === -1 || bytes.toString('latin1', start, start + 8) !== checksumOf(json)) return undefined;
      const line = JSON.parse(json.toString()) as Columns | Rest;
      if ('topics' in line) {
        const { readsQueries, topics: count, ...rest } = line;
        return count === topics.length ? { topics: { ...rest, topics }, readsQueries } : undefined;
      }
      const { queryIds, queries, lines, sizes, added } = line;
      const first = topics.length;
      for (const [i, queryId] of queryIds.entries()) {
        topics.push({ queryId, query: queries[i]!, line: lines[i]!, size: sizes[i]!, added: NONE });
      }
      for (const [i, ids] of added) topics[first + i]!.added = ids;
      start = end + 1;
    }
    return undefined;
  }

  /** Keeps it for the next time, where the folder can be written. */
  async write({ topics: { topics, ...rest }, readsQueries }: Found): Promise<void> {
    const path = pathBeside(this.path, 'new');
    try {
      const file = await open(path, 'wx', 0o600);
      try {
        for (let first = 0; first < topics.length; first += TOGETHER) {
          await file.writeFile(lineOf(columnsOf(topics.slice(first, first + TOGETHER))));
        }
        await file.writeFile(lineOf({ ...rest, topics: topics.length, readsQueries }));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(path, this.path);
      await this.#removeOldest();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      await rm(path, { force: true }).catch(() => undefined);
    }
  }

  async #removeOldest(): Promise<void> {
    const folder = dirname(this.stem);
    const ours = (await readdir(folder)).filter((name) => name.startsWith(`${basename(this.stem)}.`));
    const paths = ours.filter((name) => name.endsWith('.survey')).map((name) => join(folder, name));
    const times = await Promise.all(paths.map(async (path) => ({ path, time: (await stat(path)).mtimeMs })));
    times.sort((a, b) => b.time - a.time);
    for (const { path } of times.slice(MOST_KEPT)) await rm(path, { force: true });
  }
}

const NONE: readonly string[] = [];

function columnsOf(topics: readonly UsedTopic[]): Columns {
  return {
    queryIds: topics.map(({ queryId }) => queryId),
    queries: topics.map(({ query }) => query),
    lines: topics.map(({ line }) => line),
    sizes: topics.map(({ size }) => size),
    added: topics.flatMap(({ added }, i): [number, readonly string[]][] => (added.length > 0 ? [[i, added]] : [])),
  };
}

function lineOf(value: Columns | Rest): string {
  const json = JSON.stringify(value);
  return `${checksumOf(json)} ${json}\n`;
}

function checksumOf(json: string | Uint8Array): string {
  return crc32(json).toString(16).padStart(8, '0');
}
