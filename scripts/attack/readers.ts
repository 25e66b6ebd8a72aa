// Every reader of files from elsewhere, each with a million generated or damaged files in the full form.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type * as LoadConfig from '../../src/config/load-config.js';
import type * as RunParquet from '../../src/data/formats/run-parquet.js';
import type * as Safetensors from '../../src/models/safetensors.js';
import type * as TorchFile from '../../src/models/torch-file.js';
import type { RawTensors } from '../../src/models/raw-tensor.js';
import { MOST_RESIDENT_MIB } from '../../src/data/record-process.js';
import type { RandomStream } from '../../src/random/random-stream.js';
import { WEIGHT_FILES } from '../../test/support/models.js';
import { Broken, type Kind, type Place } from './kind.js';
import { mutateBytes, mutateJson, pick } from './mutate.js';
import { oddQrels, oddRun, oddTexts } from './odd-files.js';

/** Reads the file at a path. */
type Read = (path: string, random: RandomStream, isAlone: boolean) => Promise<void>;
type Generate = (random: RandomStream) => [suffix: string, content: string | Uint8Array];

/** Files of a child at a time. */
const TOGETHER = 64;
/** In memory, where the system has such a folder: a million small files would wait for a disk. */
const MEMORY = '/dev/shm';

/** A kind that generates a file and reads it. A file and what a child holds are small, so 512 MiB are a leak. */
function reader(
  name: string,
  generate: Generate,
  open: (place: Place) => Read | Promise<Read>,
  more: Partial<Kind> = {},
): Kind {
  return {
    name,
    tries: { full: 1_000_000, short: 256 },
    megabytes: 512,
    together: TOGETHER,
    async open(place) {
      const read = await open(place);
      const folder = existsSync(MEMORY) ? mkdtempSync(join(MEMORY, 'rank-distillm-')) : place.folder;
      process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
      let made = 0;
      return async (random, _index, isAlone) => {
        const [suffix, content] = generate(random);
        const path = join(folder, `${made++ % (2 * TOGETHER)}${suffix}`);
        writeFileSync(path, content);
        await read(path, random, isAlone);
      };
    },
    ...more,
  };
}

const RECORDS = Array.from({ length: 6 }, (_, i) => {
  return { query_id: `q${i % 2}`, doc_id: `d${i}`, rank: i, score: -i / 3, text: 'this é', relevance: i % 2 };
});
const TEXTS = RECORDS.map(({ doc_id, text }) => ({ _id: doc_id, title: 'A title', text }));
const jsonLines = (random: RandomStream, records: readonly object[]): string | Buffer =>
  random.below(2) === 0
    ? records.map((record) => (random.below(3) === 0 ? mutateJson(random, record) : JSON.stringify(record))).join('\n')
    : mutateBytes(random, Buffer.from(records.map((record) => JSON.stringify(record)).join('\n')));

async function readTexts({ api }: Place, path: string, random: RandomStream): Promise<void> {
  if (random.below(2) === 0) await api.readQueries(path);
  else for await (const record of api.readDocuments(path)) void record;
}

const GOLDEN = new URL('../../test/data/golden/', import.meta.url);
const PARQUET = readdirSync(GOLDEN)
  .filter((name) => name.endsWith('.parquet'))
  .map((name) => readFileSync(new URL(name, GOLDEN)));
/**
 * What a decoder's process may take between two looks at its memory, after which it is killed: at 1.7 GiB/s, which was
 * seen, 45 on an idle machine.
 */
const BETWEEN_LOOKS_MIB = 128;
/** Of a Parquet file, at its end. */
const FOOTER_BYTES = 600;

function damagedParquet(random: RandomStream): Buffer {
  const original = pick(random, PARQUET);
  if (random.below(2) === 0) return mutateBytes(random, original);
  const start = original.length - FOOTER_BYTES;
  return Buffer.concat([original.subarray(0, start), mutateBytes(random, original.subarray(start))]);
}

const weightFile = (name: string): Buffer => readFileSync(join(WEIGHT_FILES, name));
const SAFETENSORS = weightFile('plain.safetensors');
const SAFETENSORS_HEADER = 8 + Number(SAFETENSORS.readBigUInt64LE());
const PICKLES = ['zip.bin', 'zip-protocol-4.bin', 'legacy.bin', 'evil-legacy.bin', 'transposed.bin'].map(weightFile);

/** Bytes, or the header's JSON with its length. */
function damagedSafetensors(random: RandomStream): Buffer {
  if (random.below(2) === 0) return mutateBytes(random, SAFETENSORS);
  const header: unknown = JSON.parse(SAFETENSORS.toString('utf8', 8, SAFETENSORS_HEADER));
  const text = Buffer.from(mutateJson(random, header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, SAFETENSORS.subarray(SAFETENSORS_HEADER)]);
}

/** What a reader hands to the engine must be in the file. */
function checkRegions(tensors: RawTensors, path: string): void {
  const size = readFileSync(path).length;
  for (const [name, { data }] of tensors) {
    if (data.offset < 0 || data.bytes < 0 || data.offset + data.bytes > size)
      throw new Broken(`tensor ${name} is outside the file`);
  }
}

const YAML = `# a configuration
seed_everything: 42
trainer: {precision: 32-true, max_steps: 5}
model:
  class_path: CrossEncoderModule
  init_args: &model
    model_name_or_path: "m"
    evaluation_metrics: ['nDCG@10', AP]
data:
  inference_datasets:
    - run_path_or_id: a.run
      depth: 100
datasets:
  my-set/test: {docs: docs.tsv, qrels: ~}
  my-set/train:
    docs: |-
      docs.tsv
    queries: >-
      queries.tsv
`;
/** What YAML has names for. */
const YAML_PIECES = ['&a ', '*a', '*data', '<<: ', '!!binary ', '!!set ', '!x ', '- ', '? ', ': ', '{', '[', '}', ']']
  .concat(['|\n', '>-\n', '"', "'", '#', '\t', '---\n', '...\n', '%YAML 1.1\n', '\u2028', '\ufeff', '\0'])
  .concat(['0o17', '1e400', '.inf', '.nan', '2001-01-01', 'yes', 'null', '__proto__: ', '@', '`', '\\x00']);

function damagedYaml(random: RandomStream): Buffer {
  let text = YAML;
  for (let count = random.below(3); count > 0; count--) {
    const at = random.below(text.length);
    text = text.slice(0, at) + pick(random, YAML_PIECES) + text.slice(at + random.below(3));
  }
  return random.below(2) === 0 ? Buffer.from(text) : mutateBytes(random, Buffer.from(text));
}

const MEASURES = [
  'nDCG@10',
  'AP',
  'AP(rel=2)',
  'P@5',
  'R@5',
  'RR',
  'Rprec',
  'Bpref',
  'RBP(rel=1)',
  'NumRet',
  'Success@1',
];
const QRELS_MARK = '.qrels';

export const kinds: Readonly<Record<string, Kind>> = {
  'trec-runs': reader(
    'TREC runs',
    (random) => ['.run', oddRun(random)],
    ({ api }) =>
      async (path, random) =>
        void (await api.readRun(path, { ignoreRanks: random.below(4) !== 0 })),
  ),
  qrels: reader(
    'qrels',
    (random) => ['.txt', oddQrels(random)],
    ({ api }) =>
      async (path) =>
        void (await api.readQrels(path)),
  ),
  evaluation: reader(
    'qrels and a run, evaluated',
    (random) => ['.run', oddRun(random, { damaged: random.below(2) === 0 })],
    ({ api }) =>
      async (path, random) => {
        writeFileSync(path + QRELS_MARK, oddQrels(random, { damaged: random.below(2) === 0 }));
        const qrels = await api.readQrels(path + QRELS_MARK);
        const run = await api.readRun(path, { ignoreRanks: true });
        const { mean } = api.evaluate(run, qrels, MEASURES);
        const bad = MEASURES.find((name) => !(mean[name]! >= 0 && mean[name]! < Infinity));
        if (bad !== undefined) throw new Broken(`${bad} is ${mean[bad]}`);
      },
  ),
  jsonl: reader(
    'JSON lines of runs, queries and documents',
    (random) =>
      random.below(2) === 0 ? ['.jsonl', jsonLines(random, RECORDS)] : ['.ndjson', jsonLines(random, TEXTS)],
    (place) => async (path, random) => {
      if (path.endsWith('.jsonl')) await place.api.readRun(path);
      else await readTexts(place, path, random);
    },
  ),
  tsv: reader(
    'TSV of queries and documents',
    (random) => (random.below(10) === 0 ? ['.tsv.gz', gzipSync(oddTexts(random))] : ['.tsv', oddTexts(random)]),
    (place) => (path, random) => readTexts(place, path, random),
  ),
  parquet: reader(
    'Parquet',
    (random) => ['.parquet', damagedParquet(random)],
    async ({ api, load }) => {
      const { parquetRunRecords } = await load<typeof RunParquet>('data/formats/run-parquet');
      return async (path, _random, isAlone) => {
        // users' runs are decoded in a process of their own, whose start takes as long as hundreds of files
        if (isAlone) await api.readRun(path);
        else for await (const record of parquetRunRecords(path)) void record;
      };
    },
    // A file of 100,000 stands for more than the bound, so that its group runs again; groups of 4, 8 and 32 take equally
    // long (a million files a quarter of an hour on two idle cores), and 4 leave the least to run again.
    {
      seconds: 30,
      together: 4,
      apart: { together: MOST_RESIDENT_MIB, megabytes: MOST_RESIDENT_MIB + BETWEEN_LOOKS_MIB },
    },
  ),
  safetensors: reader(
    'safetensors',
    (random) => ['.safetensors', damagedSafetensors(random)],
    async ({ load }) => {
      const { readSafetensors } = await load<typeof Safetensors>('models/safetensors');
      return async (path) => checkRegions(await readSafetensors(path), path);
    },
  ),
  pickles: reader(
    'PyTorch files, zipped and legacy',
    (random) => ['.bin', mutateBytes(random, pick(random, PICKLES))],
    async ({ load }) => {
      const { readTorchFile } = await load<typeof TorchFile>('models/torch-file');
      return async (path) => checkRegions(await readTorchFile(path), path);
    },
  ),
  yaml: reader(
    'YAML',
    (random) => ['.yaml', damagedYaml(random)],
    async ({ load }) => {
      const { loadConfig } = await load<typeof LoadConfig>('config/load-config');
      return async (path) => void (await loadConfig([{ kind: 'file', path }]));
    },
  ),
};
