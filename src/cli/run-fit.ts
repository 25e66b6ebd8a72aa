import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoadedConfig } from '../config/load-config.js';
import { printConfig } from '../config/print-config.js';
import type { Config } from '../config/schema/schema.js';
import { settingError } from '../config/setting-error.js';
import type { FitOptions, FitResult } from '../fit/fit-options.js';
import { fit } from '../fit/fit.js';
import { writeAtomically } from '../io/atomic-write.js';
import type { MetricLogger } from '../report/metric-logger.js';
import { findLastCheckpoint } from '../train/find-checkpoint.js';
import type { CliIo } from './cli-io.js';
import { FitOutput, loggersOf, type LoggerSettings } from './fit-output.js';
import { FitReport, measuresTable } from './fit-report.js';
import { configPath, fitOptionsOf } from './fit-settings.js';
import { assertSourcesExist, indexingNotes, registryOf, wordedFor } from './shared-settings.js';

/**
 * Trains as a configuration says. What was made goes away again when the run ends before its first step.
 *
 * @returns a table of the last validation's measures, or undefined when there are none
 */
export function runFit(loaded: LoadedConfig, io: CliIo): Promise<string | undefined> {
  const { config } = loaded;
  return wordedFor(
    loaded,
    (path) => configPath(path, config),
    async () => {
      const registry = registryOf(config);
      await assertSourcesExist(config, registry, 'fit');
      const options = await fitOptionsOf(config, registry);
      const loggers = loggersOf(config);
      const ckptPath = await checkpointToResume(config, options, loggers);
      const indexing = { onProgress: indexingNotes(io) };
      const result = await train({ ...options, ckptPath, indexing }, config, loggers, io);
      return measuresTable(result.validationDatasets, result.metrics, io);
    },
  );
}

/** The folder that `ckpt_path` names; `last` is looked for wherever earlier runs of the configuration put checkpoints. */
async function checkpointToResume(
  { ckpt_path: named, trainer }: Config,
  { checkpoints = [] }: FitOptions,
  [first]: readonly LoggerSettings[],
): Promise<string | undefined> {
  if (named !== 'last') return named ?? undefined;
  const folders = checkpoints.flatMap(({ dirpath }) => dirpath ?? []);
  if (first) {
    const runs = join(first.saveDir, first.name);
    const versions = await readdir(runs).catch(() => []); // the first run has none
    folders.push(...versions.map((version) => join(runs, version, 'checkpoints')));
  }
  try {
    return (await findLastCheckpoint(trainer.default_root_dir ?? '.', folders)) ?? named;
  } catch (error) {
    throw settingError(['ckpt_path'], error);
  }
}

/** Trains, with logs and progress; the configuration is written beside the logs. */
async function train(
  options: FitOptions,
  config: Config,
  loggerSettings: readonly LoggerSettings[],
  io: CliIo,
): Promise<FitResult> {
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
        const { ckptPath } = options;
        report.begin(summary, ckptPath);
        const text = printConfig({ ...config, seed_everything: summary.seed }, { forLightning: true });
        if (output.hasLogs) await writeAtomically(join(logFolder, 'pl_config.yaml'), (write) => write(text));
        loggers.push(...(await output.openLoggers(ckptPath === undefined ? undefined : summary.startStep)));
      },
      onStep: (step) => {
        begun = true;
        report.step(step);
      },
      onValidation: (validation) => report.validation(validation),
    });
    await closeAll(loggers);
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
