import { join } from 'node:path';
import type { Checkpoint } from '../models/checkpoint.js';
import { loadCheckpoint } from '../models/load-checkpoint.js';
import { TrainableModel } from '../engine/trainable-model.js';
import { throwIfAborted } from '../errors.js';
import { DEFAULT_SEED } from '../random/random-stream.js';
import { CheckpointKeeper } from '../train/checkpoint-keeper.js';
import { EarlyStopper } from '../train/early-stopping.js';
import { estimateSecondsPerStep } from '../train/estimate-step.js';
import { FitLoop, type StopReason } from '../train/fit-loop.js';
import { checkSameModel } from '../train/same-model.js';
import { planTraining, type TrainingPlan } from '../train/train-limits.js';
import { Trainer } from '../train/trainer.js';
import type { StepReport } from '../train/training-reports.js';
import { checkpointFiles, isLater } from './checkpoint-files.js';
import type { FitOptions, FitResult, FitSummary } from './fit-options.js';
import { restoreMoments } from './moments.js';
import { watchedBy, withPlainNames } from './monitor-names.js';
import { checkFitOptionNames } from './option-names.js';
import { checkSameRun, identityOf, openResume, type Resume } from './resume.js';
import { Validation } from './validation.js';

/** As in Lightning. */
const LOG_EVERY_N_STEPS = 50;

/**
 * Trains a cross-encoder: what `rank-distillm fit` does, with the YAML's names. See docs/training.md.
 *
 * @throws RankDistillmError `bad_input`, `not_found`, `unsupported`, `io`, `native`; `aborted` after the signal, when the
 * step at work is finished and saved
 */
export async function fit(given: FitOptions): Promise<FitResult> {
  checkFitOptionNames(given);
  const warn = given.onWarning ?? ((message) => process.emitWarning(message, 'RankDistillmWarning'));
  const settings = given.trainer ?? {};
  const rootDir = settings.defaultRootDir ?? '.';
  throwIfAborted(given.signal);
  const resume = given.ckptPath === undefined ? undefined : await resumeOf(given.ckptPath, rootDir, given);
  for (const warning of given.train.dataset.warnings) warn(warning);
  const validation = given.validate && (await Validation.open(given.validate, warn, given.signal));
  try {
    const options = withPlainNames(given, validation?.names ?? []);
    validation?.assertGives(watchedBy(options));
    const plan = planOf(options, validation);
    await using model = await TrainableModel.load(resume?.folder ?? options.model, {
      device: settings.device,
      precision: settings.precision,
      tf32: settings.tf32,
      memoryFraction: settings.memoryFraction,
      threads: settings.threads,
      tokenizerThreads: settings.tokenizerThreads,
      config: options.config,
      label: options.label,
      revision: options.revision,
      seed: options.seed ?? DEFAULT_SEED,
      signal: options.signal,
      onWarning: warn,
    });
    return await train(options, { plan, model, validation, resume, rootDir, warn });
  } finally {
    await validation?.close();
  }
}

/** The checkpoint, and the model that the run began with and must continue with. */
async function resumeOf(ckptPath: string, rootDir: string, options: FitOptions) {
  const resume = await openResume(ckptPath, rootDir, options.label);
  const { model, config: overrides, label, revision, seed = DEFAULT_SEED } = options;
  const source = await loadCheckpoint(model, { overrides, label, revision, seed });
  checkSameModel(resume.model, source);
  return { ...resume, source };
}

interface Parts {
  plan: TrainingPlan;
  model: TrainableModel;
  validation: Validation | undefined;
  resume: (Resume & { source: Checkpoint }) | undefined;
  rootDir: string;
  warn: (message: string) => void;
}

async function train(options: FitOptions, parts: Parts): Promise<FitResult> {
  const { plan, model, validation, resume, warn } = parts;
  const settings = options.trainer ?? {};
  const trainer = new Trainer(model, {
    losses: options.losses,
    optimizer: options.optimizer,
    lrScheduler: options.lrScheduler,
    gradientClipVal: settings.gradientClipVal,
    gradientClipAlgorithm: settings.gradientClipAlgorithm,
    tokenBudget: settings.tokenBudget ?? resume?.state.run.tokenBudget,
  });
  const source = resume?.source ?? model.checkpoint;
  const identity = await identityOf({ options, plan, trainer, source });
  if (resume) {
    checkSameRun(resume, identity, warn);
    await restoreMoments(model, resume.moments);
    trainer.goOnFrom(resume.state.step);
  }
  const judged = { judgesAtEpochEnd: plan.judgesAtEpochEnd, validates: plan.validationBatches !== undefined };
  const log = logOf(options);
  const loop = new FitLoop({
    trainer,
    dataset: options.train.dataset,
    batchSize: options.train.batchSize,
    shuffle: options.train.shuffle ?? true,
    plan,
    identity,
    nonFinite: settings.nonFinite ?? 'stop',
    stoppers: (options.earlyStopping ?? []).map((stopping) => new EarlyStopper(stopping, judged)),
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
    resume: resume?.state,
  });
  if (options.onStart) await options.onStart(await summaryOf(options, parts, trainer));
  const saved = await keepersOf(options, parts, loop, judged);
  loop.useKeepers(saved.keepers);
  const reason: StopReason = await loop.run();
  for (const logger of options.loggers ?? []) await logger.flush();
  return {
    step: trainer.step,
    epoch: loop.state.epoch,
    reason,
    metrics: loop.metrics,
    checkpoints: saved.keepers.flatMap((keeper) => keeper.checkpoints),
    modelFolder: saved.newestModel(),
    skippedSteps: loop.state.skippedSteps,
  };
}

function planOf({ train: data, trainer: settings = {} }: FitOptions, validation: Validation | undefined): TrainingPlan {
  const samples = data.dataset.countSamples();
  return planTraining(settings, { samples, batchSize: data.batchSize, validationBatches: validation?.batches ?? [] });
}

function logOf({ loggers = [], logLearningRate = false, trainer: settings = {} }: FitOptions) {
  const every = settings.logEveryNSteps ?? LOG_EVERY_N_STEPS;
  const write = async (metrics: Record<string, number>, step: number): Promise<void> => {
    for (const logger of loggers) await logger.log(metrics, step);
  };
  return {
    write,
    async step({ step, epoch, loss, losses, learningRate, waitShare, skipped }: StepReport): Promise<void> {
      if (skipped || every === 0 || step % every !== 0) return;
      const rate = logLearningRate ? { 'lr-AdamW': learningRate } : {};
      await write({ loss, ...losses, ...rate, wait_share: waitShare, epoch }, step);
    },
  };
}

async function keepersOf(
  options: FitOptions,
  { plan, model, resume, rootDir, warn }: Parts,
  loop: FitLoop,
  judged: { judgesAtEpochEnd: boolean; validates: boolean },
) {
  if (options.trainer?.enableCheckpointing === false || plan.batchesPerEpoch === 0) {
    return { keepers: [], newestModel: () => undefined };
  }
  const keepers: CheckpointKeeper[] = [];
  const { logFolder, checkpointFolder = join(logFolder ?? rootDir, 'checkpoints') } = options;
  let newestModel: () => string | undefined = () => undefined;
  const savesEnd = options.checkpoints === undefined;
  for (const [i, checkpoint] of (options.checkpoints ?? [{}]).entries()) {
    const folder = checkpoint.dirpath ?? checkpointFolder;
    const files = await checkpointFiles({ model, folder, logFolder, state: () => loop.state, onWarning: warn });
    newestModel = files.newestModel;
    const keeper = new CheckpointKeeper(
      checkpoint,
      // what a person named is theirs to remove
      { folder, ...judged, savesEnd, resumedFrom: options.ckptPath === 'last' ? undefined : resume?.folder },
      files.callbacks,
    );
    const state = resume?.state.keepers[i];
    if (state) await keeper.restore(state, (path) => isLater(path, resume.saved));
    keepers.push(keeper);
  }
  return { keepers, newestModel: () => newestModel() };
}

async function summaryOf(options: FitOptions, { plan, model }: Parts, trainer: Trainer): Promise<FitSummary> {
  const { dataset, batchSize } = options.train;
  return {
    model: options.model,
    modelClass: model.checkpoint.modelClass,
    parameters: model.parameterCount,
    precision: model.native.precision,
    device: model.device,
    threads: model.engine.threads,
    tokenBudget: trainer.tokenBudget,
    dataset: dataset.name,
    samples: dataset.countSamples(),
    docsPerSample: dataset.sampleSize,
    batchSize,
    batchesPerEpoch: plan.batchesPerEpoch,
    totalSteps: plan.totalSteps,
    startStep: trainer.step,
    accumulateGradBatches: plan.accumulate,
    maxSeconds: plan.maxSeconds,
    secondsPerStep: await estimateSecondsPerStep(trainer, dataset, batchSize * plan.accumulate),
  };
}
