import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { runCli } from '../../src/cli/cli.js';
import type { ScoredPair } from '../golden/support.js';

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
  /** What was thrown, before it became text. */
  error: unknown;
}

export interface RunOptions {
  /** Folder the command runs in. */
  cwd?: string;
  stdin?: string | Readable;
  signal?: AbortSignal;
  /** Hears of each piece of stderr. */
  onStderr?: (text: string) => void;
}

/** Runs a command line in this process. */
export async function run(argv: string[], options: RunOptions = {}): Promise<CliResult> {
  const result: CliResult = { code: -1, stdout: '', stderr: '', error: undefined };
  const sink = (name: 'stdout' | 'stderr'): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        result[name] += chunk.toString('utf8');
        if (name === 'stderr') options.onStderr?.(chunk.toString('utf8'));
        done();
      },
    });
  const before = process.cwd();
  if (options.cwd !== undefined) process.chdir(options.cwd);
  try {
    result.code = await runCli(
      argv,
      {
        stdin: options.stdin instanceof Readable ? options.stdin : Readable.from([Buffer.from(options.stdin ?? '')]),
        stdout: sink('stdout'),
        stderr: sink('stderr'),
        signal: options.signal ?? new AbortController().signal,
        env: {},
      },
      (error) => (result.error = error),
    );
  } finally {
    process.chdir(before);
  }
  return result;
}

/** Keeps collection indexes of a suite out of the user's cache. */
export function useOwnCache(test: {
  before(hook: () => Promise<void>): void;
  after(hook: () => Promise<void>): void;
}): void {
  const before = process.env['XDG_CACHE_HOME'];
  let folder: string | undefined;
  test.before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rank-distillm-cache-'));
    process.env['XDG_CACHE_HOME'] = folder;
  });
  test.after(async () => {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });
}

/** Calls `use` with a new empty folder, and removes it afterwards. */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'rank-distillm-cli-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes files below a folder; a null content makes a folder. */
export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Buffer | null>>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(content === null ? path : dirname(path), { recursive: true });
    if (content !== null) await writeFile(path, content);
  }
}

/** Every file and folder below a folder, files with sizes and times of change: equal listings, nothing was touched. */
export async function listing(folder: string): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true })).sort();
  return Promise.all(
    names.map(async (name) => {
      const found = await stat(join(folder, name));
      return found.isDirectory() ? `${name}/` : `${name} ${found.size} ${found.mtimeMs}`;
    }),
  );
}

const REFERENCES = fileURLToPath(new URL('../golden/references/', import.meta.url));

/** A small model of the golden references. */
export function modelFolder(name = 'mono-rank'): string {
  return join(REFERENCES, name);
}

/** What the original library made of that model's pairs. */
export async function expectedPairs(name = 'mono-rank'): Promise<ScoredPair[]> {
  const text = await readFile(join(modelFolder(name), 'expected.json'), 'utf8');
  return (JSON.parse(text) as { pairs: ScoredPair[] }).pairs;
}

export function copyModel(to: string, name = 'mono-rank'): Promise<void> {
  return cp(modelFolder(name), to, { recursive: true });
}

/**
 * A test collection over the golden pairs: topic qN is pair N's query, document dN its document. The first stage ranks
 * all documents for two topics, so the re-ranked score of (qN, dN) is the golden one.
 */
export async function writeCollection(folder: string): Promise<ScoredPair[]> {
  const pairs = (await expectedPairs()).slice(0, 6);
  const tsv = (text: string): string => text.replaceAll(/[\t\n\r]+/g, ' ');
  const topics = ['q0', 'q1'];
  await copyModel(join(folder, 'mono-rank')); // runs go below the model's folder
  await writeFiles(folder, {
    'data/docs.tsv': pairs.map((pair, i) => `d${i}\t${tsv(pair.document)}\n`).join(''),
    'data/queries.tsv': pairs.map((pair, i) => `q${i}\t${tsv(pair.query)}\n`).join(''),
    'data/test.qrels': 'q0 0 d0 3\nq0 0 d3 1\nq1 0 d1 2\nq1 0 d2 0\n',
    'data/__bm25__tiny-set.run': topics
      .flatMap((topic) => pairs.map((_, i) => `${topic} Q0 d${i} ${i + 1} ${10 - i} bm25\n`))
      .join(''),
    'config.yaml': [
      'datasets:',
      '  tiny-set: {docs: data/docs.tsv, queries: data/queries.tsv, qrels: data/test.qrels}',
      'data:',
      '  inference_datasets:',
      '    - run_path_or_id: data/__bm25__tiny-set.run',
      'model:',
      '  model_name_or_path: mono-rank',
      '  evaluation_metrics: [nDCG@10]',
      '',
    ].join('\n'),
  });
  return pairs;
}
