import type { Command } from 'commander';
import { loadConfig, type LoadedConfig } from '../config/load-config.js';
import { printConfig } from '../config/print-config.js';
import { formatDuration } from '../report/duration.js';
import { onDevice } from '../report/on-device.js';
import { createProgress, type Progress } from '../report/progress.js';
import { formatMetrics, type MetricsRow } from '../report/table.js';
import { rerankRuns, type RerankedRun } from '../rerank/rerank-runs.js';
import { note, print, warn, type CliIo } from './cli-io.js';
import { parseConfigArguments } from './config-arguments.js';
import { assertSourceExists, indexingNotes, registryOf, runOptions } from './open-datasets.js';
import { atLimit, planReRank, type ReRankPlan } from './re-rank-plan.js';

export function addReRankCommand(program: Command, argv: readonly string[], io: CliIo): void {
  program
    .command('re_rank')
    .alias('re-rank')
    .summary('re-rank runs with a cross-encoder, as a configuration says')
    .usage('--config <file> [--config <file> …] [--key.path <value> …]')
    .description(
      'Scores the documents of each run in data.inference_datasets and writes a new TREC run for each, with a record of ' +
        'what it was computed from beside it. Of several files and options the later ones win.',
    )
    .option('-c, --config <file>', 'YAML configuration; may be given several times')
    .option('--print_config', 'print the merged configuration with all defaults, and stop')
    .addHelpText(
      'after',
      '\nKeys on the command line:\n' +
        '  --model.model_name_or_path X            set a key; the value is read as YAML\n' +
        '  --trainer.callbacks+=ReRankCallback     append to a list\n' +
        '  --trainer.callbacks.save_dir DIR        change the last item of a list\n' +
        '  --data.inference_datasets.0.depth 50    change the item with a number\n' +
        '\ndocs/cli.md lists all keys; configs/examples holds configurations to start from.',
    )
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => reRank(argv.slice(argv.findIndex((argument) => /^re[-_]rank$/.test(argument)) + 1), io));
}

async function reRank(args: readonly string[], io: CliIo): Promise<void> {
  const { sources, printConfig: printOnly } = parseConfigArguments(args);
  const loaded = await loadConfig(sources);
  if (printOnly) return print(io, printConfig(loaded.config));
  if (loaded.ignored.length > 0) {
    warn(io, `keys of Lightning that have no meaning here are ignored: ${loaded.ignored.join(', ')}`);
  }
  const rows = await runReRank(planReRank(loaded), loaded, io);
  if (rows.every(({ values }) => Object.keys(values).length === 0)) {
    note(io, 'no measures: evaluation_metrics is empty, or no dataset has qrels');
  } else await print(io, `${formatMetrics('dataset', rows, { decorated: io.stdout.isTTY === true })}\n`);
}

async function runReRank(plan: ReRankPlan, { placeOf }: LoadedConfig, io: CliIo): Promise<MetricsRow[]> {
  const registry = registryOf(plan.registered);
  for (const { run_path_or_id: named, place } of plan.datasets) {
    await assertSourceExists({ key: 'run_path_or_id', named, place, kind: 'run' }, registry);
  }
  let progress: Progress | undefined;
  const endProgress = (): void => {
    progress?.stop();
    progress = undefined;
  };
  try {
    const runs = await rerankRuns({
      ...plan.options,
      runs: plan.datasets.map(runOptions),
      registry,
      indexing: { onProgress: indexingNotes(io) },
      signal: io.signal,
      onProgress: ({ label, pairs, totalPairs: total }) => {
        if (!plan.showProgress) return;
        progress ??= createProgress({ label, total, unit: 'pairs', stream: io.stderr });
        progress.update(pairs);
      },
      onRun: (run) => {
        endProgress();
        for (const line of notesOf(run)) note(io, line);
      },
      onNote: (message) => note(io, `note: ${message}`),
      onWarning: (message) => warn(io, message),
    });
    return runs.map(({ label, metrics }) => ({ label, values: metrics }));
  } catch (error) {
    throw atLimit(error, placeOf);
  } finally {
    endProgress();
  }
}

function* notesOf({ label, outputPath, scoring, unscoredTopics }: RerankedRun): Generator<string> {
  if (scoring === undefined) {
    yield `${outputPath} holds this result already and is skipped; overwrite of ReRankCallback computes it again`;
  } else {
    const { pairs, topics, seconds } = scoring;
    const rate = `${(pairs / seconds).toFixed(1)} pairs/s, ${onDevice(scoring)}`;
    yield `wrote ${outputPath}: ${pairs} pairs of ${topics} topics in ${formatDuration(seconds)} (${rate})`;
  }
  if (unscoredTopics > 0)
    yield `note: ${label}: ${unscoredTopics} judged topics were not scored and are not in the mean`;
}
