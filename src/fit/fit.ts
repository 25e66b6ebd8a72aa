import { randomInt } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { checkTrainingPrecision } from '../config/precision.js';
import { checkOptions } from '../config/read-settings.js';
import { modelCheckpointOptions } from '../config/schema/callbacks.js';
import { isNothing, planTraining, type TrainingPlan } from '../train/train-limits.js';
import { openTrainingDataset } from '../data/open-dataset.js';
import { DatasetRegistry } from '../data/registry.js';
import type { TrainingDataset } from '../data/training-dataset.js';
import { SettingError, settingError } from '../config/setting-error.js';
import { resolveEngine } from '../engine/engine-options.js';
import { TrainableModel } from '../engine/trainable-model.js';
import { RankDistillmError, throwIfAborted, warner } from '../errors.js';
import { weightedLosses } from '../loss/weighted-losses.js';
import type { Facts } from '../io/fingerprint.js';
import { packageVersion } from '../io/package-version.js';
import { holdInputs, refuseFolderOverInputs } from '../io/inputs.js';
import { loadCheckpoint } from '../models/load-checkpoint.js';
import { modelFolderFiles } from '../models/save-model.js';
import { DEFAULT_SEED, SEEDS } from '../random/random-stream.js';
import { isFirst, oncePerHost } from '../ranks/rank-group.js';
import type { MetricLogger } from '../report/metric-logger.js';
import { checkpointFolders } from '../train/checkpoints/find.js';
import { CheckpointKeeper } from '../train/checkpoints/keeper.js';
import type { TrainingState } from '../train/checkpoints/state.js';
import { EarlyStopper } from '../train/early-stopping.js';
import { estimateSecondsPerStep } from '../train/estimate-step.js';
import { FitLoop, type StopReason } from '../train/fit-loop.js';
import { Trainer } from '../train/trainer.js';
import type { StepReport } from '../train/training-reports.js';
import { checkpointFiles, isOther, MODEL_FOLDER, removeStrays, restoreMoments } from './checkpoint-files.js';
import { fitOptions, type FitOptions, type FitResult, type FitSettings, type FitSummary } from './fit-options.js';
import { checkMonitors, withPlainNames } from './monitor-names.js';
import { checkSameModel, checkSameRun, continuationOf, identityOf, modelFacts, openResume } from './resume.js';
import type { Continuation, Resume } from './resume.js';
import { Validation } from './validation.js';

/** Lightning's default. */
const LOG_EVERY_N_STEPS = 50;

/**
 * Trains a cross-encoder, as `rank-distillm fit` does; see docs/training.md. It opens and checks everything before the
 * first step, and the model, losses and names first, since indexing a collection may take minutes.
 *
 * @throws RankDistillmError `bad_input`, `not_found`, `unsupported`, `io`, `native`; `aborted` after the signal, once
 * the current step is finished and saved
 */
export async function fit(given: FitOptions): Promise<FitResult> {
  const checked = checkOptions(fitOptions, given);
  const { signal, trainer, registry = new DatasetRegistry(), indexing, group } = checked;
  const warn = warner(checked.onWarning);
  const rootDir = trainer.defaultRootDir ?? '.';
  throwIfAborted(signal);
  checkTrainingPrecision(resolveEngine(trainer, false, ['trainer']).precision, ['trainer', 'precision']);
  const resume = await resumeFrom(checked, rootDir, warn);
  const ownSeed = seedOf(checked, resume);
  const firstSeed = await group?.fromFirst(ownSeed);
  const seed = checked.seed === 'random' && firstSeed !== undefined ? firstSeed : ownSeed;
  const { config: overrides, label, revision } = checked;
  const source = await loadCheckpoint(checked.model, { overrides, label, revision, seed });
  const facts = await modelFacts(source, seed);
  if (resume) checkSameModel(resume, source, facts);
  using _inputs = holdInputs([...(await modelFolderFiles(source.folder)), ...registry.files()]);
  if (checked.logFolder !== undefined) refuseFolderOverInputs(join(checked.logFolder, MODEL_FOLDER));
  const validation = validates(checked, warn) ? await Validation.plan(checked.validate!, registry, group) : undefined;
  const options = withPlainNames(checked, validation?.names ?? []);
  const losses = weightedLosses(options.losses).names;
  const watched = checkMonitors(options, [...losses, ...(validation?.loggedNames(losses) ?? [])]);

  // a collection is indexed by one rank of each host
  const dataset = await oncePerHost(group, () => openTraining(options, registry, seed));
  try {
    for (const warning of dataset.warnings) warn(warning);
    await oncePerHost(group, async () =>
      validation?.open(watched, { warn, registry, indexing: { signal, ...indexing } }),
    );
    const samples = dataset.countSamples();
    const batchSize = options.train.batchSize * (group?.ranks ?? 1);
    const from = resume && continuationOf(resume, { samples, batchSize, ranks: group?.ranks ?? 1 }, warn);
    const plan = planTraining(trainer, {
      samples,
      batchSize,
      shuffle: options.train.shuffle,
      validationBatches: validation?.batches ?? [],
      done: from && doneSteps(from.state),
    });
    await using model = await TrainableModel.fromCheckpoint(resume?.model ?? source, {
      device: trainer.device,
      precision: trainer.precision,
      tf32: trainer.tf32,
      memoryFraction: trainer.memoryFraction,
      threads: trainer.threads ?? group?.threads,
      tokenizerThreads: trainer.tokenizerThreads,
      seed,
      signal,
      onWarning: warn,
    });
    return await train(options, { plan, model, facts, dataset, seed, validation, resume, from, rootDir, warn });
  } finally {
    await validation?.close();
    if (dataset !== options.train.dataset) await dataset.close();
  }
}

/** Folders of checkpoints that the options name. */
function namedFolders({ checkpoints = [], checkpointFolder, ckptFolders }: FitSettings): string[] {
  return [...checkpoints.flatMap(({ dirpath }) => dirpath ?? []), checkpointFolder ?? [], ckptFolders].flat();
}

async function resumeFrom(
  options: FitSettings,
  rootDir: string,
  onWarning: (message: string) => void,
): Promise<Resume | undefined> {
  const { ckptPath, label } = options;
  if (ckptPath === undefined) return undefined;
  try {
    return await openResume({ ckptPath, rootDir, folders: namedFolders(options), label, onWarning });
  } catch (error) {
    throw settingError(['ckpt_path'], error);
  }
}

function seedOf({ seed }: FitSettings, resume: Resume | undefined): number {
  if (typeof seed === 'number') return seed;
  return resume?.state.run.seed ?? (seed === 'random' ? randomInt(SEEDS) : DEFAULT_SEED);
}

function doneSteps({ step, skippedSteps, epoch, batch }: TrainingState) {
  return { steps: step + skippedSteps, epoch, batch };
}

function validates({ validate, trainer }: FitSettings, warn: (message: string) => void): boolean {
  const { limitValBatches, overfitBatches } = trainer;
  const none = limitValBatches !== null && isNothing(limitValBatches) && isNothing(overfitBatches);
  if (!validate || validate.datasets.length === 0 || none) return false;
  if (validate.metrics.length > 0) return true;
  warn('the inference datasets are not used for validation, because no measures are set');
  return false;
}

async function openTraining(
  { train, signal, indexing }: FitSettings,
  registry: DatasetRegistry,
  seed: number,
): Promise<TrainingDataset> {
  const { dataset } = train;
  if ('epoch' in dataset) return dataset;
  try {
    return await openTrainingDataset(dataset, { registry, seed, indexing: { signal, ...indexing } });
  } catch (error) {
    throw error instanceof SettingError ? error.within(['train', 'dataset']) : error;
  }
}

interface Parts {
  plan: TrainingPlan;
  model: TrainableModel;
  /** `modelFacts` of the model that the options name; on a resume, the checkpoint is loaded instead. */
  facts: Facts;
  dataset: TrainingDataset;
  seed: number;
  validation: Validation | undefined;
  resume: Resume | undefined;
  /** Where the loop continues. */
  from: Continuation | undefined;
  rootDir: string;
  warn: (message: string) => void;
}

async function train(options: FitSettings, parts: Parts): Promise<FitResult> {
  const { plan, model, facts, dataset, seed, validation, resume, from, warn } = parts;
  const { group } = options;
  const settings = options.trainer;
  const { lrScheduler } = options;
  const schedule = typeof lrScheduler === 'function' ? lrScheduler(plan.totalSteps) : lrScheduler;
  const trainer = new Trainer(model, {
    losses: options.losses,
    optimizer: options.optimizer,
    lrScheduler: schedule,
    gradientClipVal: settings.gradientClipVal,
    gradientClipAlgorithm: settings.gradientClipAlgorithm,
    tokenBudget: settings.tokenBudget ?? resume?.state.run.tokenBudget,
    group,
  });
  const identity = await identityOf({ options, plan, dataset, seed, schedule, trainer, model: facts });
  if (group) {
    const start = { value: resume === undefined ? null : `${resume.folder}, step ${resume.state.step}` };
    const release = { value: packageVersion() };
    await group.checkSame({ 'the release': release, ...identity.fixed, ...identity.free, 'the checkpoint': start });
  }
  if (resume && from) {
    checkSameRun(resume.folder, from.state.run, identity, warn);
    await restoreMoments(model, resume.moments);
    trainer.goOnFrom(resume.state.step);
  }
  const validated = { validatesAtEpochEnd: plan.validatesAtEpochEnd, validates: plan.validationBatches !== undefined };
  const log = logOf(options, warn);
  const loop = new FitLoop({
    trainer,
    dataset,
    plan,
    identity,
    nonFinite: settings.nonFinite,
    stoppers: options.earlyStopping.map((stopping) => new EarlyStopper(stopping, { ...validated, warn })),
    validate:
      validation && ((batches) => validation.run(model, (s, t) => trainer.losses(s, t), batches, options.signal)),
    onStep: async (report) => {
      await log.step(report);
      await options.onStep?.(report);
    },
    onValidation: async (report) => {
      if (!report.sanityCheck) await log.write({ ...report.metrics, epoch: report.epoch }, report.step);
      await options.onValidation?.(report);
    },
    onStop: warn,
    signal: options.signal,
    resume: from?.state,
    skip: from?.skip,
    group,
  });
  if (options.onStart) await options.onStart(await summaryOf(options, parts, trainer));
  const saved = await keepersOf(options, parts, loop, validated);
  loop.useKeepers(saved.keepers);
  const reason: StopReason = await loop.run();
  // the run was killed between its last checkpoint and its end
  if (resume && saved.newestModel() === undefined) await saved.publish(resume.folder);
  await log.flush();
  return {
    step: trainer.step,
    epoch: loop.state.epoch,
    reason,
    metrics: loop.metrics,
    validationDatasets: validation?.names ?? [],
    checkpoints: saved.keepers.flatMap((keeper) => keeper.checkpoints),
    modelFolder: saved.newestModel(),
    skippedSteps: loop.state.skippedSteps,
  };
}

function logOf({ loggers = [], logLearningRate, trainer: settings }: FitSettings, warn: (message: string) => void) {
  const every = settings.logEveryNSteps ?? LOG_EVERY_N_STEPS;
  const failing = new Set<MetricLogger>();
  /** Training is worth more than its log: a full disk is told once, and later rows are tried. */
  const each = async (work: (logger: MetricLogger) => Promise<void>): Promise<void> => {
    for (const logger of loggers) {
      try {
        await work(logger);
        failing.delete(logger);
      } catch (error) {
        if (!(error instanceof RankDistillmError) || error.code !== 'io') throw error;
        if (!failing.has(logger)) warn(`${error.message}; training goes on, and what could not be logged is lost`);
        failing.add(logger);
      }
    }
  };
  const write = (metrics: Record<string, number>, step: number): Promise<void> =>
    each((logger) => logger.log(metrics, step));
  return {
    write,
    async step({ step, epoch, loss, losses, learningRate, waitShare, skipped }: StepReport): Promise<void> {
      if (skipped || every === 0 || step % every !== 0) return;
      const rate = logLearningRate ? { 'lr-AdamW': learningRate } : {};
      await write({ loss, ...losses, ...rate, wait_share: waitShare, epoch }, step);
    },
    flush: () => each((logger) => logger.flush()),
  };
}

async function keepersOf(
  options: FitSettings,
  { plan, model, resume, rootDir, warn }: Parts,
  loop: FitLoop,
  validated: { validatesAtEpochEnd: boolean; validates: boolean },
) {
  const isWriter = isFirst(options.group);
  if (!isWriter || options.trainer.enableCheckpointing === false || plan.batchesPerEpoch === 0) {
    return { keepers: [], newestModel: () => undefined, publish: async () => undefined };
  }
  const keepers: CheckpointKeeper[] = [];
  const { logFolder, checkpointFolder = join(logFolder ?? rootDir, 'checkpoints') } = options;
  const folders = [...new Set([...(await checkpointFolders(rootDir)), ...namedFolders(options), checkpointFolder])];
  await removeStrays([...folders, ...(logFolder === undefined ? [] : [join(logFolder, 'checkpoints')])]);
  const isLast = options.ckptPath === 'last';
  let newest: Awaited<ReturnType<typeof checkpointFiles>> | undefined;
  const savesEnd = options.checkpoints === undefined;
  for (const [i, checkpoint] of (options.checkpoints ?? [checkOptions(modelCheckpointOptions, {})]).entries()) {
    const folder = checkpoint.dirpath ?? checkpointFolder;
    const state = () => loop.state;
    try {
      const files = await checkpointFiles({ options: checkpoint, model, folder, logFolder, state, onWarning: warn });
      newest = files;
      // never remove a checkpoint that the user named
      const resumedFrom = resume && !isLast ? await nameIn(folder, resume.folder) : undefined;
      keepers.push(new CheckpointKeeper(checkpoint, { folder, ...validated, savesEnd, resumedFrom }, files.callbacks));
    } catch (error) {
      throw error instanceof SettingError ? error.within(['checkpoints', i]) : error;
    }
    const saved = resume?.state.keepers[i];
    if (saved) await keepers[i]!.restore(saved, (path) => isOther(path, resume), isLast ? folders : []);
  }
  return { keepers, newestModel: () => newest?.newestModel(), publish: (folder: string) => newest?.publish(folder) };
}

/** The path of a checkpoint as a keeper of `folder` writes it; undefined: it is elsewhere. */
async function nameIn(folder: string, checkpoint: string): Promise<string | undefined> {
  const path = await realpath(checkpoint);
  return dirname(path) === (await realpath(folder)) ? join(folder, basename(path)) : undefined;
}

async function summaryOf(
  options: FitSettings,
  { plan, model, dataset, seed, resume }: Parts,
  trainer: Trainer,
): Promise<FitSummary> {
  const { batchSize } = plan;
  const ranks = options.group?.ranks ?? 1;
  return {
    model: options.model,
    modelClass: model.checkpoint.modelClass,
    parameters: model.parameterCount,
    precision: model.native.precision,
    device: model.device,
    threads: model.engine.threads,
    tokenBudget: trainer.tokenBudget,
    seed,
    dataset: dataset.name,
    samples: dataset.countSamples(),
    docsPerSample: dataset.sampleSize,
    batchSize,
    ranks,
    batchesPerEpoch: plan.batchesPerEpoch,
    totalSteps: plan.totalSteps,
    startStep: trainer.step,
    resumed: resume?.folder,
    accumulateGradBatches: plan.accumulate,
    maxSeconds: plan.maxSeconds,
    secondsPerStep: await estimateSecondsPerStep(trainer, dataset, (batchSize / ranks) * plan.accumulate),
  };
}
