import { stat } from 'node:fs/promises';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { compareRuns, type CompareOptions } from '../compare/compare.js';
import { readExperiments } from '../compare/experiments.js';
import { formatComparison, FORMATS, type ComparisonFormat } from '../compare/format.js';
import { CORRECTIONS, type Correction } from '../compare/paired-tests.js';
import { readDataset, type ReadDataset } from '../compare/read-dataset.js';
import { RankDistillmError } from '../errors.js';
import { measuresHelp } from '../evaluate/parse-measure.js';
import { note, print, type CliIo } from './cli-io.js';
import { checkReportPath, type DatasetToReport } from '../report-page/report.js';
import { reportTo } from './report-file.js';

/** Options of `compare`, which `report` shares. */
export interface CompareArguments {
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
  queries?: string[];
  docs?: string[];
}

interface Options extends CompareArguments {
  format: ComparisonFormat;
  report?: string;
}

export function addCompareCommand(program: Command, io: CliIo): void {
  const command = program
    .command('compare [experiments]')
    .summary('test runs against a baseline')
    .description(
      'Compares runs with a baseline: means, paired t-tests with correction, randomization tests, bootstrap intervals, wins ' +
        "and losses. [experiments] is a folder in the layout of the paper's archive: <system>/<first stage>_<dataset>.run, " +
        'where bm25 is the first stage of a name without one. Datasets of a corpus are averaged.',
    )
    .requiredOption('--qrels <file...>', QRELS_HELP);
  withCompareOptions(command)
    .addOption(new Option('--format <name>', 'of the output').choices(FORMATS).default('text'))
    .option('--report <file>', 'also write an HTML page with charts and rankings, see report')
    .addHelpText('after', `\n${measuresHelp()}`)
    .action((experiments: string | undefined, options: Options) => compare(experiments, options, io));
}

export const QRELS_HELP = 'judgements; with a folder <dataset>=<file>, once per dataset';

/** The options of a comparison, other than --qrels. */
export function withCompareOptions(command: Command): Command {
  return command
    .option('--run <file...>', 'runs to compare; the first one is the baseline unless --baseline names another')
    .option('--baseline <name>', 'system that the others are tested against, by the name of its run or folder')
    .option('--metrics <name...>', 'measures, see below', ['nDCG@10'])
    .addOption(new Option('--correction <name>', 'of p-values').choices(CORRECTIONS).default('holm'))
    .option('--alpha <p>', 'corrected p-values below it are significant', numberIn(0, 1), 0.05)
    .option('--resamples <n>', 'of the randomization test and the bootstrap', numberIn(1, 1e7), 10_000)
    .option('--seed <n>', 'of the randomization test and the bootstrap', numberIn(0, 2 ** 32 - 1), 42)
    .option('--first-stage <file>', 'run whose first documents count, in every run')
    .option('--depth <n>', "rank of the first stage's last document that counts", numberIn(1, 1e9), 100)
    .option('--queries <file...>', 'for the report: texts of the queries; with a folder <dataset>=<file>')
    .option('--docs <file...>', 'for the report: texts of the documents; with a folder <dataset>=<file>');
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
  await checkReportPath(options.report, [...(options.run ?? []), ...options.qrels]);
  const { datasets, settings } = await readCompared('compare', experiments, options, io);
  // the column of a single dataset says what its numbers are
  const named = experiments === undefined ? datasets.map((dataset) => ({ ...dataset, name: 'mean' })) : datasets;
  const comparison = compareRuns(named, settings);
  if (comparison.systems.length < 2) {
    throw new RankDistillmError('bad_input', `compare needs two systems; there is only ${comparison.systems.join()}`, {
      hint: 'Add another run; `evaluate` measures a single one. A file that is given twice counts once.',
    });
  }
  await print(io, `${formatComparison(comparison, options.format, io.stdout.isTTY === true)}\n`);
  if (options.report !== undefined) await reportTo(options.report, { datasets, compare: settings }, io);
}

/** Reads what `compare` and `report` compare. */
export async function readCompared(
  verb: string,
  experiments: string | undefined,
  options: CompareArguments,
  io: CliIo,
): Promise<{ datasets: DatasetToReport[]; settings: CompareOptions }> {
  const { run = [], qrels, firstStage, depth, metrics, queries = [], docs = [] } = options;
  if ((experiments === undefined) === (run.length === 0)) {
    throw new RankDistillmError('bad_input', `${verb} needs runs (--run) or a folder of experiments, not both`, {
      hint: `For example rank-distillm ${verb} --qrels qrels.txt --run bm25.run --run mine.run.`,
    });
  }
  const [queriesOf, docsOf] = [await filesByDataset('queries', queries), await filesByDataset('docs', docs)];
  const datasets: ReadDataset[] =
    experiments === undefined
      ? [await ownRuns(run, qrels, firstStage, depth, io)]
      : await readExperiments(experiments, {
          qrelsOf: await filesByDataset('qrels', qrels),
          depth,
          onNote: (message) => note(io, `note: ${message}`),
          signal: io.signal,
        });
  const { baseline, correction, alpha, resamples, seed } = options;
  const settings: CompareOptions = { measures: metrics, correction, alpha, resamples, seed, signal: io.signal };
  if (baseline !== undefined) settings.baseline = baseline;
  return {
    datasets: datasets.map((dataset) => ({
      ...dataset,
      queriesFile: queriesOf(dataset.name),
      docsFile: docsOf(dataset.name),
    })),
    settings,
  };
}

function ownRuns(
  runs: readonly string[],
  qrels: readonly string[],
  firstStage: string | undefined,
  depth: number,
  io: CliIo,
): Promise<ReadDataset> {
  const [file = ''] = qrels;
  if (qrels.length !== 1) {
    throw new RankDistillmError('bad_input', `--qrels: ${qrels.length} files are given`, {
      hint: 'Runs are compared on one test collection; join the files.',
    });
  }
  return readDataset({
    qrels: file,
    runs,
    depth,
    signal: io.signal,
    ...(firstStage === undefined ? {} : { firstStage }),
  });
}

/** `<dataset>=<file>`, or one file for the only dataset. */
async function filesByDataset(
  option: string,
  given: readonly string[],
): Promise<(dataset: string) => string | undefined> {
  const [only] = given;
  if (given.length === 1 && (await stat(only!).catch(() => undefined))) return () => only;
  const files = given.map((text) => {
    const cut = text.indexOf('=');
    if (cut > 0) return [text.slice(0, cut).replaceAll('/', '-'), text.slice(cut + 1)] as const;
    throw new RankDistillmError('bad_input', `--${option} ${text}: expected <dataset>=<file>`, {
      hint: `For example --${option} msmarco-passage-trec-dl-2019-judged=${option}-2019.txt.`,
    });
  });
  const byDataset = new Map<string, string>(files);
  return (dataset) => byDataset.get(dataset);
}
