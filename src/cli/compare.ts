import { stat } from 'node:fs/promises';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { compareRuns, cutToFirstStage, type ComparedDataset, type CompareOptions } from '../compare/compare.js';
import { readExperiments } from '../compare/experiments.js';
import { formatComparison, FORMATS, type ComparisonFormat } from '../compare/format.js';
import { CORRECTIONS, type Correction } from '../compare/paired-tests.js';
import { runStem } from '../data/dataset-id.js';
import { readQrels } from '../data/formats/qrels.js';
import { readRun } from '../data/run-file.js';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import { measuresHelp } from '../evaluate/parse-measure.js';
import { note, print, type CliIo } from './cli-io.js';

interface Options {
  qrels: string[];
  run?: string[];
  baseline?: string;
  metrics: string[];
  correction: Correction;
  alpha: number;
  resamples: number;
  seed: number;
  firstStage?: string;
  depth: number;
  format: ComparisonFormat;
}

export function addCompareCommand(program: Command, io: CliIo): void {
  program
    .command('compare [experiments]')
    .summary('test runs against a baseline')
    .description(
      'Compares runs with a baseline: means, paired t-tests with correction, randomization tests, bootstrap intervals, wins ' +
        "and losses. [experiments] is a folder in the layout of the paper's archive: <system>/<first stage>_<dataset>.run, " +
        'where bm25 is the first stage of a name without one. Datasets of a corpus are averaged.',
    )
    .requiredOption('--qrels <file...>', 'judgements; with a folder <dataset>=<file>, once per dataset')
    .option('--run <file...>', 'runs to compare; the first one is the baseline unless --baseline names another')
    .option('--baseline <name>', 'system that the others are tested against, by the name of its run or folder')
    .option('--metrics <name...>', 'measures, see below', ['nDCG@10'])
    .addOption(new Option('--correction <name>', 'of p-values').choices(CORRECTIONS).default('holm'))
    .option('--alpha <p>', 'corrected p-values below it are significant', numberIn(0, 1), 0.05)
    .option('--resamples <n>', 'of the randomization test and the bootstrap', numberIn(1, 1e7), 10_000)
    .option('--seed <n>', 'of the randomization test and the bootstrap', numberIn(0, 2 ** 32 - 1), 42)
    .option('--first-stage <file>', 'run whose first documents count, in every run')
    .option('--depth <n>', "rank of the first stage's last document that counts", numberIn(1, 1e9), 100)
    .addOption(new Option('--format <name>', 'of the output').choices(FORMATS).default('text'))
    .addHelpText('after', `\n${measuresHelp()}`)
    .action((experiments: string | undefined, options: Options) => compare(experiments, options, io));
}

function numberIn(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    const isWhole = most > 1;
    if (text.trim() !== '' && number >= least && number <= most && (!isWhole || Number.isInteger(number)))
      return number;
    throw new InvalidArgumentError(`Expected a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}.`);
  };
}

async function compare(experiments: string | undefined, options: Options, io: CliIo): Promise<void> {
  const { run = [], qrels, firstStage, depth, metrics, format } = options;
  if ((experiments === undefined) === (run.length === 0)) {
    throw new RankDistillmError('bad_input', 'compare needs runs (--run) or a folder of experiments, not both', {
      hint: 'For example rank-distillm compare --qrels qrels.txt --run bm25.run --run mine.run.',
    });
  }
  const datasets =
    experiments === undefined
      ? [await ownRuns(run, qrels, firstStage, depth, io)]
      : await readExperiments(experiments, {
          qrelsOf: await qrelsByDataset(qrels),
          depth,
          onNote: (message) => note(io, `note: ${message}`),
          signal: io.signal,
        });
  const { baseline, correction, alpha, resamples, seed } = options;
  const settings: CompareOptions = { measures: metrics, correction, alpha, resamples, seed, signal: io.signal };
  if (baseline !== undefined) settings.baseline = baseline;
  const comparison = compareRuns(datasets, settings);
  await print(io, `${formatComparison(comparison, format, io.stdout.isTTY === true)}\n`);
}

/** Runs by the names of their files, or by their paths where two files have the same name. */
async function ownRuns(
  paths: readonly string[],
  qrels: readonly string[],
  firstStage: string | undefined,
  depth: number,
  io: CliIo,
): Promise<ComparedDataset> {
  if (qrels.length !== 1) {
    throw new RankDistillmError('bad_input', `--qrels: ${qrels.length} files are given`, {
      hint: 'Runs are compared on one test collection; join the files.',
    });
  }
  const first = firstStage === undefined ? undefined : await readRun(firstStage);
  const stems = paths.map(runStem);
  const runs: [string, Awaited<ReturnType<typeof readRun>>][] = [];
  for (const [i, path] of paths.entries()) {
    throwIfAborted(io.signal);
    const run = await readRun(path, { ignoreRanks: true });
    const isOnly = stems.filter((stem) => stem === stems[i]).length === 1;
    runs.push([isOnly ? stems[i]! : path, first ? (cutToFirstStage(run, first, depth) as typeof run) : run]);
  }
  return { name: 'mean', qrels: await readQrels(qrels[0]!), runs: new Map(runs) };
}

/** `<dataset>=<file>`, or one file for the only dataset. */
async function qrelsByDataset(given: readonly string[]): Promise<(dataset: string) => string | undefined> {
  const [only] = given;
  if (given.length === 1 && (await stat(only!).catch(() => undefined))) return () => only;
  const files = given.map((text) => {
    const cut = text.indexOf('=');
    if (cut > 0) return [text.slice(0, cut).replaceAll('/', '-'), text.slice(cut + 1)] as const;
    throw new RankDistillmError('bad_input', `--qrels ${text}: expected <dataset>=<file>`, {
      hint: 'For example --qrels msmarco-passage-trec-dl-2019-judged=qrels-2019.txt.',
    });
  });
  const byDataset = new Map<string, string>(files);
  return (dataset) => byDataset.get(dataset);
}
