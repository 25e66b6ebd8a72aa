import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { checkOptions, type OptionsOf, type SettingsOf } from '../config/read-settings.js';
import { reRankCallbackKeys } from '../config/schema/callbacks.js';
import { key } from '../config/schema/fields.js';
import { writeRunText } from '../data/write-run.js';
import { modelKeys, passed } from '../engine/engine-options.js';
import { ioError, RankDistillmError, throwIfAborted, warner } from '../errors.js';
import { differences, fingerprintFile, TextsFingerprint, type Facts } from '../io/fingerprint.js';
import { holdInputs } from '../io/inputs.js';
import { isThere } from '../io/output-file.js';
import { packageVersion } from '../io/package-version.js';
import { changedWhileRead } from '../io/regions.js';
import { RunJournal } from './journal.js';
import {
  assertSameResult,
  factsOf,
  isProvenance,
  outputError,
  provenancePath,
  readProvenance,
  runIdentity,
  writeProvenance,
  type RunIdentity,
  type RunProvenance,
} from './provenance.js';
import { wholeName } from './shards.js';

export const mergeRunsOptions = z.strictObject({
  shards: key(z.array(z.string().min(1)).min(1), 'Runs that `rerankRuns` wrote with `shard`, of one or several runs.'),
  output: key(
    z.string().min(1).optional(),
    "Path of the whole run. Default: beside the first shard, under its name without the shard's number.",
  ),
  overwrite: reRankCallbackKeys.overwrite,
  command: key(z.string().optional(), 'Command line, for the record of each run.'),
  signal: modelKeys.signal,
  on_warning: modelKeys.on_warning,
  on_run: passed<(run: MergedRun) => void>('a function', 'Called after each run.'),
});

/** Options of `mergeRuns`. */
export type MergeRunsOptions = OptionsOf<typeof mergeRunsOptions>;
type MergeRunsSettings = SettingsOf<typeof mergeRunsOptions>;

/** Result for one run. */
export interface MergedRun {
  outputPath: string;
  shards: number;
  topics: number;
  /** The same result exists already, so nothing was written. */
  existed: boolean;
}

const OVERWRITE = 'Set $overwrite to replace the run, or $output to keep both.';

/** A shard's run with its record. */
interface ShardRun {
  path: string;
  record: RunProvenance;
  shard: NonNullable<RunProvenance['shard']>;
}

/**
 * Joins the shards of re-ranked runs, as `rank-distillm merge` does: writes the run and the record that a call without
 * `shard` would have written. It checks that all shards are of one result, that none is missing or given twice, that none
 * was changed, and that together they hold the topics of the input run, each once and in its order.
 *
 * @throws RankDistillmError `bad_input`, `not_found`, `unsupported`, `io`, `aborted`; nothing is left of a run that fails
 */
export async function mergeRuns(given: MergeRunsOptions): Promise<MergedRun[]> {
  const options = checkOptions(mergeRunsOptions, given);
  throwIfAborted(options.signal);
  using _inputs = holdInputs(options.shards);
  const groups = new Map<string, ShardRun[]>();
  for (const path of options.shards) {
    if (await isProvenance(path)) continue; // named by the same pattern
    const shard = await readShard(path);
    const name = options.output ?? wholeName(basename(path));
    if (name === undefined) {
      throw new RankDistillmError('bad_input', `${path}: the name does not say which run it is a part of`, {
        hint: 'Name the whole run: --output dev.run.',
      });
    }
    groups.set(name, [...(groups.get(name) ?? []), shard]);
  }
  if (groups.size === 0) {
    throw new RankDistillmError('bad_input', 'no run is given, only records of runs', {
      hint: 'Name the runs themselves: dev.shard-01-of-08.run, not dev.shard-01-of-08.run.json.',
    });
  }
  const outputs = [...groups].map(([name, shards]) => {
    const outputPath = options.output ?? join(dirname(shards[0]!.path), name);
    return { outputPath, shards: inOrder(outputPath, shards) };
  });
  const merged: MergedRun[] = [];
  for (const { outputPath, shards } of outputs) {
    throwIfAborted(options.signal);
    const run = await merge(outputPath, shards, options);
    options.onRun?.(run);
    merged.push(run);
  }
  return merged;
}

async function readShard(path: string): Promise<ShardRun> {
  if (!(await isThere(path))) throw ioError('read', path, { code: 'ENOENT' });
  const record = await readProvenance(path);
  const hint = 'Name runs that re_rank wrote with --shard, with their records beside them.';
  if (record === undefined) {
    const message = `${path}: there is no ${basename(provenancePath(path))} that records what it is`;
    throw new RankDistillmError('bad_input', message, { hint });
  }
  const { shard } = record;
  if (shard === undefined) throw new RankDistillmError('bad_input', `${path}: is a whole run, no shard`, { hint });
  return { path, record, shard };
}

/**
 * The shards by their numbers.
 *
 * @throws RankDistillmError `bad_input` if they do not belong together, or one is missing or there twice
 */
function inOrder(outputPath: string, shards: readonly ShardRun[]): ShardRun[] {
  const [first] = shards as [ShardRun];
  const { count } = first.shard;
  const byIndex = new Array<ShardRun | undefined>(count);
  for (const shard of shards) {
    const facts = [first, shard].map(({ record }) => factsOf(wholeOf(record))) as [Facts, Facts];
    const found = differences(...facts, (name, there, here) => `${name} is ${here}, and ${there} there`);
    if (shard.shard.count !== count) found.push(`it is one of ${shard.shard.count} parts, and one of ${count} there`);
    if (found.length > 0) {
      const message = `${shard.path}: is not a part of the same run as ${first.path}: ${found.join('; ')}`;
      throw new RankDistillmError('bad_input', message, { hint: 'Merge the shards of one command.' });
    }
    const twin = byIndex[shard.shard.index - 1];
    if (twin !== undefined) {
      const message = `${shard.path}: shard ${shard.shard.index} of ${count} is given twice, also by ${twin.path}`;
      throw new RankDistillmError('bad_input', message, { hint: 'Name each shard once.' });
    }
    byIndex[shard.shard.index - 1] = shard;
  }
  const missing = [...byIndex.keys()].filter((i) => byIndex[i] === undefined).map((i) => i + 1);
  if (missing.length > 0) {
    const which = missing.length === 1 ? 'shard' : 'shards';
    const shown = missing.slice(0, 20).join(', ') + (missing.length > 20 ? ', …' : '');
    throw new RankDistillmError('bad_input', `${outputPath}: of ${count} shards, ${which} ${shown} missing`, {
      hint: 'Run the command of each missing shard to its end, and name its run, too.',
    });
  }
  return byIndex as ShardRun[];
}

/** What the whole run is computed from. */
function wholeOf(record: RunProvenance): RunIdentity {
  const { shard: _, ...whole } = runIdentity.parse(record);
  return whole;
}

async function merge(
  outputPath: string,
  shards: readonly ShardRun[],
  { overwrite, command, signal, onWarning }: MergeRunsSettings,
): Promise<MergedRun> {
  const identity = wholeOf(shards[0]!.record);
  const result = { outputPath, shards: shards.length, topics: identity.topics.scored };
  // as re_rank does: nobody else writes the run meanwhile
  const journal = await RunJournal.open(outputPath, warner(onWarning));
  try {
    const exists = await isThere(outputPath);
    const hasRecord = (await readProvenance(outputPath)) !== undefined; // throws for a file that is no record
    if (exists && hasRecord && !overwrite) {
      await assertSameResult(outputPath, identity, OVERWRITE);
      return { ...result, existed: true };
    }
    const written = await writeRunText(outputPath, async (write, soFar) => {
      await joinTopics(shards, identity, write, signal);
      // a process that ended between the run and its record left the run whole
      if (!exists || overwrite || (await fingerprintFile(outputPath)) === soFar().fingerprint) return;
      const problem = `exists, without a ${basename(provenancePath(outputPath))} that records its provenance`;
      throw outputError(`${outputPath}: ${problem}`, { hint: OVERWRITE });
    });
    await writeProvenance(outputPath, written, identity, {
      timing: timingOf(shards),
      by: `rank-distillm ${packageVersion()}`,
      command,
    });
    return { ...result, existed: false };
  } finally {
    await journal.close();
  }
}

function timingOf(shards: readonly ShardRun[]): RunProvenance['timing'] {
  const sum = { pairs: 0, seconds: 0 };
  for (const { record } of shards) {
    sum.pairs += record.timing?.pairs ?? 0;
    sum.seconds += record.timing?.seconds ?? 0;
  }
  return { pairs: sum.pairs, seconds: Number(sum.seconds.toPrecision(6)) };
}

/** Topic t is the next one of shard t modulo the number of shards, see `topicsOfShard`. */
async function joinTopics(
  shards: readonly ShardRun[],
  { topics }: RunIdentity,
  write: (text: string) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const readers: TopicReader[] = [];
  try {
    for (const { path } of shards) readers.push(await TopicReader.open(path));
    const ids = new TextsFingerprint();
    for (let topic = 0; topic < topics.scored; topic++) {
      throwIfAborted(signal);
      const next = await readers[topic % readers.length]!.next();
      if (next === undefined) break; // the fingerprints say what is wrong
      ids.add(next.queryId);
      await write(next.text);
    }
    let isAtEnd = true;
    for (const [i, { path, record }] of shards.entries()) {
      const end = await readers[i]!.end();
      isAtEnd &&= end.isAtEnd;
      if (end.fingerprint === record.run.fingerprint) continue;
      const message = `${path}: is not the run that ${basename(provenancePath(path))} describes: it was changed since`;
      throw new RankDistillmError('bad_input', message, { hint: 'Compute the shard again, with overwrite.' });
    }
    if (!isAtEnd || ids.digest() !== topics.ids) {
      const message = `the shards of ${shards[0]!.path} do not hold the topics of ${shards[0]!.record.input.path}`;
      throw new RankDistillmError('bad_input', message, { hint: 'Compute the shards again, with overwrite.' });
    }
  } finally {
    for (const reader of readers) await reader.close();
  }
}

const READ_BYTES = 64 * 1024;
const TAB = 9;
const LF = 10;
/** Far above the text of a topic that we wrote. Another file of this name must not fill the memory. */
const MOST_TOPIC_BYTES = 2 ** 28;

/** Reads a run that we wrote topic by topic, and hashes it. */
class TopicReader {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #hash = createHash('sha256');
  /** Read and not yet returned. */
  #rest: Buffer = Buffer.alloc(0);
  #offset = 0;

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  static async open(path: string): Promise<TopicReader> {
    const file = await open(path, 'r').catch((error: unknown) => Promise.reject(ioError('read', path, error)));
    return new TopicReader(file, path);
  }

  /** The lines of the next topic; undefined at the end. */
  async next(): Promise<{ queryId: string; text: string } | undefined> {
    let at = 0;
    let id: Buffer | undefined;
    for (;;) {
      const end = this.#rest.indexOf(LF, at);
      if (end === -1) {
        if (await this.#more()) continue;
        break;
      }
      const tab = this.#rest.indexOf(TAB, at);
      const line = this.#rest.subarray(at, tab === -1 || tab > end ? end : tab);
      id ??= line;
      if (!line.equals(id)) break;
      at = end + 1;
    }
    if (id === undefined) return undefined;
    const topic = { queryId: id.toString('utf8'), text: this.#rest.toString('utf8', 0, at) };
    this.#rest = this.#rest.subarray(at);
    return topic;
  }

  /** Reads the rest of the file. */
  async end(): Promise<{ fingerprint: string; isAtEnd: boolean }> {
    let isAtEnd = this.#rest.length === 0;
    this.#rest = Buffer.alloc(0);
    for (; await this.#more(); this.#rest = Buffer.alloc(0)) isAtEnd = false;
    return { fingerprint: `sha256:${this.#hash.digest('hex')}`, isAtEnd };
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #more(): Promise<boolean> {
    if (this.#rest.length > MOST_TOPIC_BYTES) throw changedWhileRead(this.#path);
    const { buffer, bytesRead } = await this.#file
      .read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, this.#offset)
      .catch((error: unknown) => Promise.reject(ioError('read', this.#path, error)));
    const bytes = buffer.subarray(0, bytesRead);
    this.#offset += bytesRead;
    this.#hash.update(bytes);
    this.#rest = Buffer.concat([this.#rest, bytes]);
    return bytesRead > 0;
  }
}
