import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { loadCheckpoint } from '../models/load-checkpoint.js';
import type { LoadedConfig } from '../config/load-config.js';
import { printConfig } from '../config/print-config.js';
import type { DatasetRegistry } from '../data/registry.js';
import type { FitOptions, FitResult, ValidateOptions } from '../fit/fit-options.js';
import { fit } from '../fit/fit.js';
import { writeAtomically } from '../io/atomic-write.js';
import { weightedLosses } from '../loss/weighted-losses.js';
import { SEEDS } from '../random/random-stream.js';
import type { MetricLogger } from '../report/metric-logger.js';
import { warn, type CliIo } from './cli-io.js';
import type { RunSettings } from './config-plan.js';
import { assertDataExist, countSteps, datasetName, openTrainData } from './fit-data.js';
import { loadLosses } from './fit-losses.js';
import { checkMonitors } from './fit-monitors.js';
import { FitOutput } from './fit-output.js';
import type { FitPlan } from './fit-plan.js';
import { resumedRun } from './fit-resume.js';
import { FitReport, measuresTable } from './fit-report.js';
import { indexingNotes, registryOf, runOptions } from './open-datasets.js';

/**
 * Trains as a plan says. Everything is opened and checked before a folder is made, and what was made goes away again when
 * the run ends before its first step.
 *
 * @returns a table of the last validation's measures, or undefined when there are none
 */
export async function runFit(plan: FitPlan, loaded: LoadedConfig, io: CliIo): Promise<string | undefined> {
  const { config, placeOf } = loaded;
  // Headers only: a wrong model shows before a collection is indexed for minutes.
  await loadCheckpoint(plan.model, { overrides: plan.overrides, label: plan.label });
  const registry = registryOf(plan.registered);
  await assertDataExist(plan, registry);
  const losses = await loadLosses(plan.losses);
  const resume = await resumedRun(plan, placeOf);
  const datasets = await Promise.all(
    validatedRuns(plan, io).map(async (run) => ({
      name: await datasetName(run, registry),
      hasTargets: run.targets !== null,
    })),
  );
  checkMonitors(plan.monitors, { losses: weightedLosses(losses).names, datasets, metrics: plan.metrics });
  const seed = plan.seed ?? resume?.seed ?? randomInt(SEEDS);
  await using dataset = await openTrainData(plan, registry, seed, io);
  const totalSteps = countSteps(plan, dataset, placeOf);
  const result = await train(
    {
      ...settingsOf(plan),
      train: { dataset, batchSize: plan.batchSize, shuffle: plan.shuffle },
      validate: datasets.length > 0 ? validationOf(plan, registry, io) : undefined,
      losses,
      lrScheduler: plan.schedule?.build(totalSteps),
      seed,
      ckptPath: resume?.folder,
    },
    plan,
    printConfig({ ...config, seed_everything: seed }),
    io,
  );
  return measuresTable(
    datasets.map(({ name }) => name),
    result.metrics,
    io,
  );
}

/** The runs that are validated: none without measures, and none where they are limited to nothing. */
function validatedRuns({ validation, metrics, trainer }: FitPlan, io: CliIo): RunSettings[] {
  const limit = trainer.limitValBatches;
  const none = limit !== undefined && ('batches' in limit ? limit.batches === 0 : limit.share === 0);
  if (validation.length === 0 || none) return [];
  if (metrics.length > 0) return validation;
  warn(io, 'inference_datasets are not validated, since evaluation_metrics is empty');
  return [];
}

/** What a plan says in so many words. */
function settingsOf(plan: FitPlan) {
  return {
    model: plan.model,
    config: plan.overrides,
    label: plan.label,
    optimizer: plan.optimizer,
    trainer: plan.trainer,
    checkpoints: plan.checkpoints.length > 0 ? plan.checkpoints : undefined,
    earlyStopping: plan.earlyStopping,
    logLearningRate: plan.logLearningRate,
  };
}

function validationOf(plan: FitPlan, registry: DatasetRegistry, io: CliIo): ValidateOptions {
  return {
    datasets: plan.validation.map(runOptions),
    batchSize: plan.validationBatchSize,
    metrics: plan.metrics,
    registry,
    indexing: { onProgress: indexingNotes(io) },
  };
}

/** Trains, with logs and progress; `configText` is written beside the logs. */
async function train(options: FitOptions, plan: FitPlan, configText: string, io: CliIo): Promise<FitResult> {
  const saves = plan.trainer.enableCheckpointing !== false;
  const output = await FitOutput.create(plan.loggers, saves ? plan.rootDir : undefined);
  const { logFolder, checkpointFolder } = output;
  const report = new FitReport(plan, io);
  const loggers: MetricLogger[] = [];
  let begun = false;
  try {
    for (const { dirpath } of plan.checkpoints) if (dirpath !== undefined) await output.make(dirpath);
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
        if (output.hasLogs) await writeAtomically(join(logFolder, 'pl_config.yaml'), (write) => write(configText));
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
    await closeAll(loggers).catch(() => undefined); // the first error is the one to tell
    if (!begun) await output.discard();
    throw error;
  } finally {
    report.stop();
  }
}

async function closeAll(loggers: MetricLogger[]): Promise<void> {
  while (loggers.length > 0) await loggers.pop()!.close();
}
