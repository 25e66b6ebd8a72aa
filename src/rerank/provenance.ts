import { basename } from 'node:path';
import { z } from 'zod';
import { shardOptions } from '../config/schema/shard.js';
import { SettingError, type SettingErrorDetails } from '../config/setting-error.js';
import { RankDistillmError } from '../errors.js';
import type { WrittenRun } from '../data/write-run.js';
import { writeAtomically } from '../io/atomic-write.js';
import { differences, fingerprintFact, fingerprintFile, type Fact, type Facts } from '../io/fingerprint.js';
import { readJsonObject } from '../models/json-file.js';

const FORMAT = 'rank-distillm run provenance';
const VERSION = 1;

const text = z.string();
const count = z.int().min(0);

/** What a run is computed from: known before it is written. */
const identity = {
  model: z.object({
    name: text,
    folder: text,
    /** Commit of a hub model. */
    revision: text.nullable(),
    weights: text,
    files: text,
    settings: z.record(text, z.unknown()),
  }),
  input: z.object({ path: text, fingerprint: text, depth: z.int(), sample_size: z.int(), sampling_strategy: text }),
  dataset: z.object({
    id: text,
    docs: z.object({ path: text, fingerprint: text, repaired: z.boolean() }).nullable(),
    queries: text.nullable(),
    qrels: text.nullable(),
  }),
  topics: z.object({ scored: count, of: count, ids: text, queries: text }),
  /** The part of the topics that the run holds; missing when it holds them all. `topics` counts all parts. */
  shard: z.object({ ...shardOptions.shape, scored: count, ids: text }).optional(),
  limit: z.union([z.object({ batches: z.number() }), z.object({ share: z.number() })]).nullable(),
  batch_size: count,
  /** Documents of a topic that are the best of a finer precision; missing where none was asked for. */
  refine: z.object({ top: count, precision: text }).optional(),
  computed: z.object({
    precision: text,
    /** Products, attention and what lies between products; CPUs only. */
    arithmetic: text.optional(),
    device: text,
    tf32: z.boolean(),
    bfloat16_stream: z.boolean(),
  }),
};

/** Provenance of a run, in a file beside it; docs/cli.md explains the keys. */
const schema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  run: z.object({ file: text, bytes: count, fingerprint: text }),
  ...identity,
  /** Missing in records of releases before 0.2. */
  timing: z.object({ pairs: count, seconds: z.number() }).optional(),
  written: z.object({ at: text, by: text, command: text.optional() }),
});

export const runIdentity = z.object(identity);

export type RunProvenance = z.infer<typeof schema>;
export type RunIdentity = z.infer<typeof runIdentity>;

/** An error about the path of a run to write. */
export function outputError(message: string, details: SettingErrorDetails): SettingError {
  return new SettingError(['run_name'], message, { ...details, isAboutFile: true });
}

/** Whether a file is the record of a run, and not a run. */
export async function isProvenance(path: string): Promise<boolean> {
  if (!path.endsWith('.run.json')) return false;
  // a JSON run may have this name, and be large or damaged; reading it as a run reports that
  const object = await readJsonObject(path).catch(() => undefined);
  return object?.['format'] === FORMAT;
}

/** Path of the record: `dev.run` → `dev.run.json`, `mine.txt` → `mine.txt.run.json`. */
export function provenancePath(run: string): string {
  return run.endsWith('.run') ? `${run}.json` : `${run}.run.json`;
}

/**
 * Writes the record of a run. Call it after the run is in place: a process that ends in between leaves a run whose
 * record is missing or has another fingerprint, and `assertSameResult` rejects both.
 */
export async function writeProvenance(
  runPath: string,
  { bytes, fingerprint }: WrittenRun,
  identity: RunIdentity,
  { timing, ...written }: { by: string; command?: string | undefined; timing: RunProvenance['timing'] },
): Promise<void> {
  const record: RunProvenance = {
    format: FORMAT,
    version: VERSION,
    run: { file: basename(runPath), bytes, fingerprint },
    ...identity,
    timing,
    written: { at: new Date().toISOString(), ...written },
  };
  await writeAtomically(provenancePath(runPath), (write) => write(`${JSON.stringify(record, null, 2)}\n`));
}

/**
 * Reads the record beside a run; undefined when there is none.
 *
 * @throws RankDistillmError `bad_input` for any other file, `unsupported` for a record of a newer release
 */
export async function readProvenance(runPath: string): Promise<RunProvenance | undefined> {
  const path = provenancePath(runPath);
  const hint = `${runPath} would be written beside it: move it away, or choose another $save_dir or $run_name.`;
  const object = await readJsonObject(path).catch((error: unknown) => {
    // a record cannot be downloaded again, as the files of a model can
    if (!(error instanceof RankDistillmError)) throw error;
    throw outputError(error.message, { hint, code: error.code, cause: error });
  });
  if (object === undefined) return undefined;
  if (object['format'] !== FORMAT) {
    throw outputError(`${path}: is not the record of a run that rank-distillm wrote`, { hint });
  }
  const { version } = object;
  if (typeof version === 'number' && version > VERSION) {
    const message = `${path}: has format version ${version}; this release reads ${VERSION}`;
    throw new RankDistillmError('unsupported', message, {
      hint: 'Use the release that wrote the run, or a newer one.',
    });
  }
  const parsed = schema.safeParse(object);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw outputError(`${path}: ${issue?.path.join('.')}: ${issue?.message}`, { hint });
}

/** The record beside a run of ours, unless the run was replaced since: then it says nothing of the new one. */
export async function currentRecord(runPath: string): Promise<RunProvenance | undefined> {
  const record = await readProvenance(runPath).catch((error: unknown) => {
    if (error instanceof RankDistillmError) return undefined; // another program's file of this name
    throw error;
  });
  return record && (await fingerprintFile(runPath)) === record.run.fingerprint ? record : undefined;
}

const OVERWRITE = 'Set $overwrite to replace the run, or $save_dir or $run_name to keep both.';

/**
 * Checks that an existing run is the result that would be computed now.
 *
 * @throws RankDistillmError `bad_input` that lists the differences
 */
export async function assertSameResult(runPath: string, now: RunIdentity, hint = OVERWRITE): Promise<void> {
  const record = await readProvenance(runPath);
  const recordPath = provenancePath(runPath);
  const refuse = (problem: string) => outputError(`${runPath}: exists, ${problem}`, { hint });
  if (record === undefined) throw refuse(`without a ${basename(recordPath)} that records its provenance`);
  if ((await fingerprintFile(runPath)) !== record.run.fingerprint) {
    throw refuse(`and is not the run that ${basename(recordPath)} describes: it was changed since`);
  }
  const found = differences(factsOf(record), factsOf(now));
  if (found.length > 0) throw refuse(`but is another result: ${found.join('; ')}`);
}

/** Facts that determine the scores. Content is compared, since files may have moved; paths and names are only shown. */
export function factsOf({ model, input, dataset, topics, shard, refine, computed }: RunIdentity): Facts {
  const plain = (value: unknown): Fact => ({ value: JSON.stringify(value), shown: String(value) });
  const { docs } = dataset;
  const settings = Object.entries(model.settings).map(([key, value]) => [key, plain(value)] as const);
  const [device = ''] = computed.device.split(':');
  return {
    'the model': fingerprintFact(model.weights, `${model.name}, weights`),
    "the model's config.json or tokenizer": fingerprintFact(model.files),
    ...Object.fromEntries(settings),
    'the input run': fingerprintFact(input.fingerprint, input.path),
    depth: plain(input.depth),
    sample_size: plain(input.sample_size),
    sampling_strategy: plain(input.sampling_strategy),
    'the collection': docs === null ? { value: null } : fingerprintFact(docs.fingerprint, docs.path),
    'the repair of its texts': plain(docs?.repaired ?? false),
    'the set of topics scored': fingerprintFact(topics.ids, `${topics.scored} of ${topics.of}`),
    shard: { value: shard === undefined ? null : `${shard.index} of ${shard.count}` },
    'the text of the queries': {
      ...fingerprintFact(topics.queries, dataset.queries ?? "the run's"),
      follows: 'the set of topics scored',
    },
    precision: plain(computed.precision),
    arithmetic: { value: computed.arithmetic ?? null, follows: 'precision' },
    refine: { value: refine?.top ?? null },
    device: plain(device),
    tf32: plain(computed.tf32),
    bfloat16_stream: plain(computed.bfloat16_stream),
  };
}
