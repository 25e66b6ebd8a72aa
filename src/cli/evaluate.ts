import { InvalidArgumentError, type Command } from 'commander';
import { readQrels } from '../data/formats/qrels.js';
import type { RunEntry } from '../data/records.js';
import { readRun } from '../data/run-file.js';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import { evaluate, type Evaluation } from '../evaluate/evaluate.js';
import { measuresHelp, parseMeasure } from '../evaluate/parse-measure.js';
import { isProvenance } from '../rerank/provenance.js';
import { formatMetrics, formatTable } from '../report/table.js';
import { note, print, type CliIo } from './cli-io.js';
import { datasetName, namedAfterFiles } from '../compare/read-dataset.js';
import { checkReportPath } from '../report-page/report.js';
import { reportTo } from './report-file.js';

interface EvaluateOptions {
  qrels: string;
  run: string[];
  metrics: string[];
  json?: true;
  byQuery?: true;
  report?: string;
}

interface EvaluatedRun {
  run: string;
  evaluation: Evaluation;
}

export function addEvaluateCommand(program: Command, io: CliIo): void {
  program
    .command('evaluate')
    .summary('measure runs against qrels')
    .description(
      'Measures runs as trec_eval does: ties in the score (float32) are broken by docid, descending; ' +
        'judged topics that a run lacks count 0.',
    )
    .requiredOption('--qrels <file>', 'judgements: TREC qrels, or TSV with a header or 2 or 3 columns', once)
    .requiredOption('--run <file...>', 'run to measure; may be given several times')
    .option('--metrics <name...>', 'measures, see below', ['nDCG@10'])
    .option('--json', 'print an array of { run, <measure>: value } in full precision')
    .option('--by-query', 'also print the values of each topic')
    .option('--report <file>', 'also write an HTML page that compares the runs with the first one, see report')
    .addHelpText('after', `\n${measuresHelp()}`)
    .action((options: EvaluateOptions) => evaluateRuns(options, io));
}

function once(value: string, earlier: string | undefined): string {
  if (earlier === undefined) return value;
  throw new InvalidArgumentError('It is given twice; join the files.');
}

async function evaluateRuns(options: EvaluateOptions, io: CliIo): Promise<void> {
  const measures = [...new Set(options.metrics.map((text) => parseMeasure(text).name))];
  const qrels = await readQrels(options.qrels);
  await checkReportPath(options.report, [options.qrels, ...options.run]);
  const results: EvaluatedRun[] = [];
  const runs: RunEntry[][] = [];
  for (const run of options.run) {
    throwIfAborted(io.signal);
    if (await isProvenance(run)) {
      note(io, `note: ${run} is the record of a run and is skipped`);
      continue;
    }
    const entries = await readRun(run, { ignoreRanks: true });
    const evaluation = evaluate(entries, qrels, measures);
    if (evaluation.topicsInRun === 0) {
      throw new RankDistillmError('bad_input', `${run}: has none of the topics of ${options.qrels}`, {
        hint: 'Check that run and qrels belong to the same test collection.',
      });
    }
    const judged = evaluation.byQuery.size;
    if (evaluation.topicsInRun < judged) {
      note(io, `note: ${run} has ${evaluation.topicsInRun} of ${judged} judged topics, the others count 0`);
    }
    results.push({ run, evaluation });
    if (options.report !== undefined) runs.push(entries);
  }
  if (results.length === 0) {
    throw new RankDistillmError('bad_input', 'no run is given, only records of runs', {
      hint: 'Name the runs themselves: dev.run, not dev.run.json.',
    });
  }
  const byQuery = options.byQuery === true;
  const text = options.json ? toJson(results, byQuery) : toTable(results, measures, byQuery, io);
  await print(io, `${text}\n`);
  if (options.report === undefined) return;
  const files = namedAfterFiles(results.map(({ run }) => run));
  const dataset = {
    name: await datasetName(
      options.qrels,
      files.map(([, path]) => path),
    ),
    qrels,
    runs: new Map(files.map(([system], i) => [system, runs[i]!])),
    files: new Map(files),
    qrelsFile: options.qrels,
  };
  await reportTo(options.report, { datasets: [dataset], compare: { measures, signal: io.signal } }, io);
}

function toJson(results: EvaluatedRun[], byQuery: boolean): string {
  const records = results.map(({ run, evaluation }) => ({
    run,
    ...evaluation.mean,
    ...(byQuery ? { by_query: Object.fromEntries(evaluation.byQuery) } : {}),
  }));
  return JSON.stringify(records, null, 2);
}

function toTable(results: EvaluatedRun[], measures: string[], byQuery: boolean, io: CliIo): string {
  const decorated = io.stdout.isTTY === true;
  if (!byQuery) {
    return formatMetrics(
      'run',
      results.map(({ run, evaluation }) => ({ label: run, values: evaluation.mean })),
      { decorated, marked: decorated },
    );
  }
  const rows = results.flatMap(({ run, evaluation }) =>
    [...evaluation.byQuery, ['all', evaluation.mean] as const].map(([topic, values]) => [
      run,
      topic,
      ...measures.map((measure) => values[measure]),
    ]),
  );
  const columns = [{ head: 'run' }, { head: 'topic' }, ...measures.map((head) => ({ head, digits: 4 }))];
  return formatTable(columns, rows, { decorated });
}
