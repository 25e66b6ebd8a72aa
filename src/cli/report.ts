import type { Command } from 'commander';
import { RankDistillmError } from '../errors.js';
import { measuresHelp } from '../evaluate/parse-measure.js';
import { checkReportPath } from '../report-page/report.js';
import type { CliIo } from './cli-io.js';
import { QRELS_HELP, readCompared, withCompareOptions, type CompareArguments } from './compare.js';
import { reportTo } from './report-file.js';

interface Options extends Omit<CompareArguments, 'qrels'> {
  qrels?: string[];
  training?: string[];
  title?: string;
  output: string;
}

export function addReportCommand(program: Command, io: CliIo): void {
  const command = program
    .command('report [experiments]')
    .summary('write an HTML page about runs and training')
    .description(
      'Writes one HTML file that works from disk: the table of compare, the gains and losses of each query, rankings side ' +
        'by side, distributions of scores, shifts of ranks, effectiveness over depth, training curves and what made them. ' +
        "Texts come from --queries and --docs, from the runs, or from the files that the runs' records name.",
    )
    .requiredOption('--output <file>', 'the page to write')
    .option('--qrels <file...>', QRELS_HELP)
    .option('--training <file...>', 'metrics.csv of a fit')
    .option('--title <text>', 'heading; default: the names of the datasets');
  withCompareOptions(command)
    .addHelpText('after', `\n${measuresHelp()}`)
    .action((experiments: string | undefined, options: Options) => report(experiments, options, io));
}

async function report(experiments: string | undefined, options: Options, io: CliIo): Promise<void> {
  const { output, title, qrels, run = [], training = [] } = options;
  await checkReportPath(output, [...run, ...(qrels ?? []), ...training]);
  if (training.length > 0 && experiments === undefined && run.length === 0) {
    return reportTo(output, { title, training }, io);
  }
  if (qrels === undefined) {
    throw new RankDistillmError('bad_input', '--qrels is missing', {
      hint: 'Runs are measured against judgements; a report of training alone needs only --training.',
    });
  }
  const { datasets, settings } = await readCompared('report', experiments, { ...options, qrels }, io);
  await reportTo(output, { title, datasets, compare: settings, training }, io);
}
