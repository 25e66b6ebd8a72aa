import type { Command } from 'commander';
import type { ReadDataset } from '../compare/read-dataset.js';
import { docsPage, packagePath, RankDistillmError } from '../errors.js';
import { loadConfig, type LoadedConfig } from '../config/load-config.js';
import { printConfig } from '../config/print-config.js';
import { optionsFrom } from '../config/read-settings.js';
import { reRankCallbackKeys } from '../config/schema/callbacks.js';
import { runDatasetOptions } from '../config/schema/data.js';
import { engineOptions } from '../config/schema/engine.js';
import type { Config } from '../config/schema/schema.js';
import type { Shard } from '../config/schema/shard.js';
import type { SettingPath } from '../config/setting-error.js';
import { isFirst, type RankGroup } from '../ranks/rank-group.js';
import { formatDuration } from '../report/figures.js';
import { onDevice } from '../report/figures.js';
import { createProgress, type Progress } from '../report/progress.js';
import { formatMetrics, type MetricsRow } from '../report/table.js';
import type { RefinedCounts } from '../engine/finer-scores.js';
import type { RerankedRun, RerankRunsOptions } from '../rerank/rerank-options.js';
import { rerankRuns } from '../rerank/rerank-runs.js';
import { note, print, warn, type CliIo } from './cli-io.js';
import { parseConfigArguments } from './config-arguments.js';
import { sectionsHelp } from './key-help.js';
import { onRanks } from './on-ranks.js';
import { checkReportPath } from '../report-page/report.js';
import { rerankedDataset, reportTo } from './report-file.js';
import {
  assertSourcesExist,
  deviceOf,
  devicePath,
  indexingNotes,
  labelOf,
  measureNames,
  monoOverrides,
  registryOf,
  wordedFor,
} from './shared-settings.js';

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
    .option('--shard <i/n>', 'score part I of N of the topics of each run; merge joins the parts')
    .option('--report <file>', 'also write an HTML page that compares the runs with their first stages')
    .option('--print_config', 'print the merged configuration with all defaults, and stop')
    .addHelpText(
      'after',
      sectionsHelp('re_rank') +
        '\nKeys on the command line:\n' +
        '  --model.model_name_or_path X            set a key; the value is read as YAML\n' +
        '  --trainer.callbacks+=ReRankCallback     append to a list\n' +
        '  --trainer.callbacks.save_dir DIR        change the last item of a list\n' +
        '  --data.inference_datasets.0.depth 50    change the item with a number\n' +
        `\n${docsPage('cli')} explains re_rank.\n${packagePath('configs/examples')} holds configurations to start from.`,
    )
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => reRank(argv, io));
}

async function reRank(argv: readonly string[], io: CliIo): Promise<void> {
  const args = argv.slice(argv.findIndex((argument) => /^re[-_]rank$/.test(argument)) + 1);
  const { sources, printConfig: printOnly, report, shard } = parseConfigArguments(args, 're_rank');
  const loaded = await loadConfig(sources, printOnly ? undefined : 're_rank');
  if (printOnly) return print(io, printConfig(loaded.config));
  if (loaded.ignored.length > 0) {
    warn(io, `these keys of Lightning have no effect here: ${loaded.ignored.join(', ')}`);
  }
  if (shard !== undefined && report !== undefined) {
    throw new RankDistillmError('bad_input', '--report and --shard exclude each other', {
      hint: 'Merge the shards first; then the command with --report instead of --shard finds the whole run.',
    });
  }
  await checkReportPath(report);
  await wordedFor(
    loaded,
    (path) => path,
    () =>
      onRanks(loaded.config.trainer, argv, io, async (group, io) => {
        const result = await runReRank(loaded, shard, group, io);
        if (isFirst(group)) await show(result, { shard, report, config: loaded.config }, io);
      }),
  );
}

/** Prints the measures, and writes the report. */
async function show(
  { runs, rows }: Awaited<ReturnType<typeof runReRank>>,
  { shard, report, config }: { shard: Shard | undefined; report: string | undefined; config: Config },
  io: CliIo,
): Promise<void> {
  if (shard !== undefined) {
    note(
      io,
      'when all shards are there, rank-distillm merge joins them; this command without --shard measures the run',
    );
  } else if (rows.every(({ values }) => Object.keys(values).length === 0)) {
    const isAsked = measureNames(config).some((name) => name !== 'loss');
    const lacking = `no qrels are known for ${rows.map(({ label }) => label).join(', ')}`;
    note(io, `no measures: ${isAsked ? lacking : 'evaluation_metrics is empty'}`);
  } else await print(io, `${formatMetrics('dataset', rows, { decorated: io.stdout.isTTY === true })}\n`);
  if (report !== undefined) await reportReRanked(report, runs, config, io);
}

async function reportReRanked(path: string, runs: readonly RerankedRun[], config: Config, io: CliIo): Promise<void> {
  const datasets: ReadDataset[] = [];
  for (const { label, outputPath } of runs) {
    const dataset = await rerankedDataset(label, outputPath);
    if (dataset) datasets.push(dataset);
    else note(io, `note: ${label} has no judgements and is not in the report`);
  }
  if (datasets.length === 0) return note(io, `note: no report is written: no dataset has judgements`);
  const measures = measureNames(config).filter((name) => name !== 'loss');
  const compare = { signal: io.signal, ...(measures.length > 0 ? { measures } : {}) };
  await reportTo(path, { datasets, compare }, io);
}

function runReRank(
  loaded: LoadedConfig,
  shard: Shard | undefined,
  group: RankGroup | undefined,
  io: CliIo,
): Promise<{ runs: RerankedRun[]; rows: MetricsRow[] }> {
  const { config } = loaded;
  let progress: Progress | undefined;
  const endProgress = (): void => {
    progress?.stop();
    progress = undefined;
  };
  return wordedFor(
    loaded,
    (path) => configPath(path, config),
    async () => {
      const registry = registryOf(config);
      await assertSourcesExist(config, registry, 're_rank');
      const runs = await rerankRuns({
        ...rerankOptionsOf(config, group?.localRank),
        group,
        shard,
        registry,
        indexing: { onProgress: indexingNotes(io) },
        signal: io.signal,
        command: io.command,
        onProgress: ({ label, pairs, totalPairs: total, earlierPairs: from }) => {
          if (config.trainer.enable_progress_bar === false) return;
          progress ??= createProgress({ label, total, from, unit: 'pairs', stream: io.stderr });
          progress.update(pairs);
        },
        onRun: (run) => {
          endProgress();
          for (const line of notesOf(run)) note(io, line);
        },
        onNote: (message) => note(io, `note: ${message}`),
        onWarning: (message) => warn(io, message),
      });
      return { runs, rows: runs.map(({ label, metrics }) => ({ label, values: metrics })) };
    },
  ).finally(endProgress);
}

/** A configuration that was checked for `re_rank`, as the options of the function `rerankRuns`. */
function rerankOptionsOf(config: Config, localRank?: number): RerankRunsOptions {
  const { trainer } = config;
  const { inference_datasets: runs = null, inference_batch_size: batchSize = null } = config.data?.init_args ?? {};
  const callback = trainer.callbacks?.find(({ class_path: name }) => name === 'ReRankCallback');
  const naming = callback?.class_path === 'ReRankCallback' ? callback.init_args : undefined;
  return {
    model: config.model!.init_args.model_name_or_path!,
    config: monoOverrides(config),
    label: labelOf(config),
    ...optionsFrom(engineOptions, { ...trainer, device: deviceOf(trainer, localRank) }),
    seed: typeof config.seed_everything === 'number' ? config.seed_everything : undefined,
    runs: (runs ?? []).flatMap((run) =>
      run.class_path === 'RunDataset' ? [optionsFrom(runDatasetOptions, run.init_args)] : [],
    ),
    batchSize: batchSize ?? 1,
    limitTestBatches: trainer.limit_test_batches,
    saveDir: naming?.save_dir,
    runName: naming?.run_name,
    overwrite: naming?.overwrite,
    refine: naming?.refine,
    // re-ranking has no validation loss
    metrics: measureNames(config).filter((name) => name !== 'loss'),
  };
}

const ENGINE = Object.keys(engineOptions.shape);

/** Where the configuration has an option of `rerankRuns`. */
function configPath([section = '', ...rest]: SettingPath, { trainer }: Config): SettingPath {
  if (section === 'device') return devicePath(trainer);
  if (ENGINE.includes(String(section)) || section === 'limit_test_batches') return ['trainer', section, ...rest];
  if (Object.hasOwn(reRankCallbackKeys, section)) {
    const index = trainer.callbacks?.findIndex(({ class_path: name }) => name === 'ReRankCallback') ?? -1;
    return ['trainer', 'callbacks', ...(index === -1 ? [] : [index, 'init_args', section])];
  }
  if (section === 'runs')
    return ['data', 'init_args', 'inference_datasets', ...rest.slice(0, 1), 'init_args', ...rest.slice(1)];
  return [section, ...rest];
}

function refinedNote({ documents, rescored, inFloat32, bound, exceeded }: RefinedCounts): string {
  const [all, again, exact] = [documents, rescored, inFloat32].map((count) => count.toLocaleString('en-US'));
  const share = `${again} of ${all} pairs were scored again, ${exact} of them in 32-true`;
  const why = bound === undefined ? 'there were too few to measure a bound' : `the bound is ${bound.toPrecision(2)}`;
  return `refined: ${share}; ${why}${exceeded > 0 ? `, which ${exceeded} scores exceeded: it is raised` : ''}`;
}

function* notesOf({ label, outputPath, scoring, earlierTopics, unscoredTopics }: RerankedRun): Generator<string> {
  if (scoring === undefined) {
    yield `${outputPath} holds this result already and is skipped; overwrite of ReRankCallback computes it again`;
  } else if (scoring.topics === 0) {
    yield `wrote ${outputPath}: all ${earlierTopics} topics had been scored before`;
  } else {
    const { pairs, topics, seconds } = scoring;
    const rate = `${(pairs / seconds).toFixed(1)} pairs/s, ${onDevice(scoring)}`;
    const earlier = earlierTopics === 0 ? '' : `; ${earlierTopics} topics had been scored before`;
    yield `wrote ${outputPath}: ${pairs} pairs of ${topics} topics in ${formatDuration(seconds)} (${rate})${earlier}`;
    if (scoring.refined) yield refinedNote(scoring.refined);
  }
  if (unscoredTopics > 0)
    yield `note: ${label}: ${unscoredTopics} judged topics were not scored and are not in the mean`;
}
