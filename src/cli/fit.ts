import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { loadConfig, type LoadedConfig } from '../config/load-config.js';
import { printConfig } from '../config/print-config.js';
import type { Config } from '../config/schema/schema.js';
import { docsPage, packagePath } from '../errors.js';
import type { FitOptions, FitResult, FitSummary } from '../fit/fit-options.js';
import { fit } from '../fit/fit.js';
import { writeAtomically } from '../io/atomic-write.js';
import type { MetricLogger } from '../report/metric-logger.js';
import { TrainingCurves } from '../report-page/training-log.js';
import type { StepReport } from '../train/training-reports.js';
import { isFirst, type RankGroup } from '../ranks/rank-group.js';
import { type CliIo, print, warn } from './cli-io.js';
import { parseConfigArguments } from './config-arguments.js';
import { FitOutput, type LoggerSettings, loggersOf } from './fit-output.js';
import { FitReport, measuresTable } from './fit-report.js';
import { configPath, fitOptionsOf } from './fit-settings.js';
import { sectionsHelp } from './key-help.js';
import { onRanks } from './on-ranks.js';
import { checkReportPath } from '../report-page/report.js';
import { reportTo } from './report-file.js';
import { assertSourcesExist, indexingNotes, registryOf, wordedFor } from './shared-settings.js';

export function addFitCommand(program: Command, argv: readonly string[], io: CliIo): void {
  program
    .command('fit')
    .summary('train a cross-encoder, as a configuration says')
    .usage('--config <file> [--config <file> …] [--key.path <value> …]')
    .description(
      'Trains a model on data.train_dataset, validates it on data.inference_datasets and saves it where ' +
        "lightning-ir's fit does. Of several files and options the later ones win.",
    )
    .option('-c, --config <file>', 'YAML configuration; may be given several times')
    .option('--ckpt_path <folder>', 'go on from a checkpoint of an earlier run; last: from the newest')
    .option('--report <file>', 'also write an HTML page with the training curves')
    .option('--print_config', 'print the merged configuration with all defaults, and stop')
    .addHelpText(
      'after',
      sectionsHelp('fit') +
        '\nKeys on the command line:\n' +
        '  --model.model_name_or_path X            set a key; the value is read as YAML\n' +
        '  --trainer.max_steps 1000\n' +
        '  --trainer.callbacks+=LearningRateMonitor  append to a list\n' +
        '  --data.train_dataset.sample_size 8\n' +
        '\nCtrl-C finishes the step, saves and ends with 130; a second one stops at once.\n' +
        `${docsPage('training')} explains training.\n${packagePath('configs/examples')} holds configurations to start from.`,
    )
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => fitCommand(argv, io));
}

async function fitCommand(argv: readonly string[], io: CliIo): Promise<void> {
  const args = argv.slice(argv.indexOf('fit') + 1);
  const { sources, printConfig: printOnly, report } = parseConfigArguments(args, 'fit');
  const loaded = await loadConfig(sources, printOnly ? undefined : 'fit');
  if (printOnly) return print(io, printConfig(loaded.config));
  if (loaded.ignored.length > 0) {
    warn(io, `these keys of Lightning have no effect here: ${loaded.ignored.join(', ')}`);
  }
  await checkReportPath(report);
  await wordedFor(
    loaded,
    (path) => path,
    () =>
      onRanks(loaded.config.trainer, argv, io, async (group, io) => {
        const curves = report !== undefined && isFirst(group) ? new ReportedFit() : undefined;
        const text = await runFit(loaded, io, group, curves);
        if (text !== undefined) await print(io, `${text}\n`);
        if (report !== undefined && curves) await reportTo(report, curves.parts, io);
      }),
  );
}

/** What the report of a fit shows. */
class ReportedFit {
  #curves = new TrainingCurves('training');
  #summary: FitSummary | undefined;
  #configuration = '';
  #pairs = 0;
  #seconds = 0;

  /** @param logs where the run that this one continues may have left its `metrics.csv`; the first that has one counts */
  async begin(
    summary: FitSummary,
    configuration: string,
    logs: readonly { path: string; prefix: string }[],
  ): Promise<MetricLogger> {
    this.#summary = summary;
    this.#configuration = configuration;
    this.#curves = new TrainingCurves(`${summary.model} on ${summary.dataset}`);
    for (const { path, prefix } of summary.resumed === undefined ? [] : logs) {
      const text = await readFile(path, 'utf8').catch(() => undefined);
      if (text !== undefined && this.#curves.addLog(text, path, prefix, summary.startStep) > 0) break;
    }
    return this.#curves;
  }

  step({ pairs, seconds }: StepReport): void {
    this.#pairs += pairs;
    this.#seconds += seconds;
  }

  get parts(): Parameters<typeof reportTo>[1] {
    const { model, device, precision } = this.#summary!;
    return {
      training: [this.#curves.curves],
      configuration: this.#configuration,
      throughput: [{ what: 'training', pairs: this.#pairs, seconds: this.#seconds, device, precision, model }],
    };
  }
}

/**
 * Trains as a configuration says. What was made goes away again when the run ends before its first step.
 *
 * @returns a table of the last validation's measures, or undefined when there are none
 */
function runFit(
  loaded: LoadedConfig,
  io: CliIo,
  group: RankGroup | undefined,
  reported?: ReportedFit,
): Promise<string | undefined> {
  const { config } = loaded;
  return wordedFor(
    loaded,
    (path) => configPath(path, config),
    async () => {
      const registry = registryOf(config);
      await assertSourcesExist(config, registry, 'fit');
      const options = { ...(await fitOptionsOf(config, registry, group?.localRank)), group };
      const loggers = loggersOf(config);
      const resume = { ckptPath: config.ckpt_path ?? undefined, ckptFolders: await loggedCheckpoints(loggers) };
      const indexing = { onProgress: indexingNotes(io) };
      const result = await train({ ...options, ...resume, indexing }, config, loggers, io, reported);
      return measuresTable(result.validationDatasets, result.metrics, io);
    },
  );
}

/** Where earlier runs of the configuration put checkpoints that name no folder. */
async function loggedCheckpoints([first]: readonly LoggerSettings[]): Promise<string[]> {
  if (!first) return [];
  const runs = join(first.saveDir, first.name);
  const versions = await readdir(runs).catch(() => []); // the first run has none
  return versions.filter((name) => !name.startsWith('.')).map((version) => join(runs, version, 'checkpoints'));
}

/** Trains, with logs and progress; the configuration is written beside the logs. */
async function train(
  options: FitOptions,
  config: Config,
  loggerSettings: readonly LoggerSettings[],
  io: CliIo,
  reported?: ReportedFit,
): Promise<FitResult> {
  if (!isFirst(options.group)) {
    // rank 0 writes and says all
    return fit({ ...options, signal: io.signal, onWarning: () => undefined });
  }
  const saves = config.trainer.enable_checkpointing !== false;
  const output = await FitOutput.create(loggerSettings, saves ? (config.trainer.default_root_dir ?? '.') : undefined);
  const { logFolder, checkpointFolder } = output;
  const report = new FitReport(config.trainer, io);
  const loggers: MetricLogger[] = [];
  let begun = false;
  try {
    for (const { dirpath } of options.checkpoints ?? []) if (dirpath != null) await output.make(dirpath);
    const result = await fit({
      ...options,
      loggers,
      logFolder,
      checkpointFolder,
      signal: io.signal,
      onWarning: (message) => report.warning(message),
      onStart: async (summary) => {
        const { resumed } = summary;
        report.begin(summary, resumed);
        const text = printConfig({ ...config, seed_everything: summary.seed }, { forLightning: true });
        if (output.hasLogs) await writeAtomically(join(logFolder, 'pl_config.yaml'), (write) => write(text));
        loggers.push(...(await output.openLoggers(resumed === undefined ? undefined : summary.startStep)));
        if (reported) loggers.push(await reported.begin(summary, text, output.earlierLogs(resumed)));
      },
      onStep: async (step) => {
        if (!begun) await output.begin();
        begun = true;
        report.step(step);
        reported?.step(step);
      },
      onValidation: (validation) => report.validation(validation),
    });
    await closeAll(loggers).catch((error: unknown) => report.warning((error as Error).message)); // the model is saved
    await output.begin();
    report.end(result);
    return result;
  } catch (error) {
    await closeAll(loggers).catch(() => undefined); // the first error is the one to report
    if (!begun) await output.discard();
    throw error;
  } finally {
    report.stop();
  }
}

async function closeAll(loggers: MetricLogger[]): Promise<void> {
  while (loggers.length > 0) await loggers.pop()!.close();
}
