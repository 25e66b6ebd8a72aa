import { basename } from 'node:path';
import { CheckpointKeeper, type CheckpointMoment, type CheckpointState } from '../../src/train/checkpoints/keeper.js';
import { EarlyStopper, type EarlyStoppingOptions, type StoppingState } from '../../src/train/early-stopping.js';
import type { ModelCheckpointOptions } from '../../src/train/checkpoints/keeper.js';
import {
  isStepDue,
  isValidationDue,
  planTraining,
  reachedLimit,
  type TrainerSettings,
  type TrainingPlan,
} from '../../src/train/train-limits.js';

/** What a run does, without a model: `loss` is 1 / step, `val` takes `values` one after the other. */
export interface Simulation {
  limits: TrainerSettings;
  /** Batches of each validation dataset. */
  validationBatches: number[];
  values: readonly number[];
  checkpoint?: ModelCheckpointOptions | undefined;
  stopping?: EarlyStoppingOptions | undefined;
  /** Names in the checkpoint folder, those of an earlier run included. */
  disk?: Set<string>;
}

export interface SavedRun {
  position: Position;
  keeper: CheckpointState;
  stopper: StoppingState | undefined;
}

interface Position {
  epoch: number;
  batch: number;
  totalBatches: number;
  steps: number;
  validations: number;
  metrics: Record<string, number>;
  /** What was done last when this was saved. */
  after: 'step' | 'validation' | 'epoch';
}

export interface SimulationResult {
  plan: TrainingPlan;
  /** Words as in scripts/references/train.py. */
  trace: string[];
  /** Every checkpoint that was saved, by name, as JSON. */
  saved: Map<string, string>;
  disk: Set<string>;
  lastLink: string | undefined;
  warnings: string[];
  keeper: CheckpointKeeper | undefined;
}

/** The order in which a training loop calls the policies, as src/train/checkpoints/keeper.ts asks for it. */
export async function simulate(run: Simulation, from?: SavedRun): Promise<SimulationResult> {
  const { validationBatches } = run;
  const plan = planTraining(run.limits, { samples: 19, batchSize: 2, shuffle: true, validationBatches });
  const context = { validatesAtEpochEnd: plan.validatesAtEpochEnd, validates: plan.validationBatches !== undefined };
  const at: Position = from
    ? structuredClone(from.position)
    : { epoch: 0, batch: 0, totalBatches: 0, steps: 0, validations: 0, metrics: {}, after: 'epoch' };
  const result: SimulationResult = {
    plan,
    trace: [],
    saved: new Map(),
    disk: run.disk ?? new Set(),
    lastLink: undefined,
    warnings: [],
    keeper: undefined,
  };
  const { trace, disk, saved } = result;
  const everKept = new Set(from ? [...from.keeper.kept.map(({ name }) => name), ...from.keeper.obsolete] : []);
  const stopper = run.stopping && new EarlyStopper(run.stopping, context);
  const keeper =
    run.checkpoint &&
    new CheckpointKeeper(
      run.checkpoint,
      { ...context, folder: '/checkpoints' },
      {
        async save(folder) {
          const name = basename(folder);
          const isReplaced = saved.has(name) || everKept.has(name);
          if (disk.has(name) && !isReplaced) throw new Error(`${name} would be overwritten`);
          disk.add(name);
          const state = keeper?.state;
          if (state?.kept.some((one) => one.name === name)) {
            everKept.add(name);
            trace.push(`+${name}`);
          }
          if (state) saved.set(name, JSON.stringify({ position: at, keeper: state, stopper: stopper?.state }));
        },
        async remove(folder) {
          const name = basename(folder);
          disk.delete(name);
          if (everKept.delete(name)) trace.push(`-${name}`);
        },
        exists: async (folder) => disk.has(basename(folder)),
        async link(_, name) {
          if (!disk.has(name)) throw new Error(`last leads to ${name}, which is not there`);
          if (result.lastLink !== name) trace.push(`last=${at.steps}`);
          result.lastLink = name;
        },
        warn: (message) => result.warnings.push(message),
      },
    );
  result.keeper = keeper;
  if (from) {
    if (from.stopper) stopper?.restore(from.stopper);
    await keeper?.restore(from.keeper, async () => false);
  }
  const nextEpoch = (): void => {
    at.epoch++;
    at.batch = 0;
  };
  const moment = (): CheckpointMoment => ({ epoch: at.epoch, step: at.steps, metrics: at.metrics });
  const limit = (): boolean => reachedLimit(plan, { steps: at.steps, epochs: at.epoch, seconds: 0 }) !== undefined;

  if (plan.batchesPerEpoch > 0 && !limit() && plan.sanityBatches && !from)
    trace.push(`S${plan.sanityBatches.join('+')}`);
  const validate = async (): Promise<boolean> => {
    at.after = 'validation';
    trace.push(`V${plan.validationBatches?.join('+')}`);
    at.metrics['val'] = run.values[at.validations++] ?? Number.NaN;
    const stops = stopper?.afterValidation(at.metrics) !== undefined;
    if (stops) trace.push('stop');
    await keeper?.afterValidation(moment());
    return stops;
  };
  let stop = stopper?.reason !== undefined;
  if (from && at.after === 'step' && isValidationDue(plan, at)) stop ||= await validate();
  if (from && at.after === 'epoch') nextEpoch();
  while (plan.batchesPerEpoch > 0 && !limit() && !stop) {
    while (at.batch < plan.batchesPerEpoch && !limit() && !stop) {
      at.batch++;
      at.totalBatches++;
      const isDue = isValidationDue(plan, at);
      if (isStepDue(plan, at.batch)) {
        at.after = 'step';
        at.steps++;
        at.metrics['loss'] = 1 / at.steps;
        trace.push('s');
        await keeper?.afterStep(moment(), isDue);
      } else trace.push('.');
      if (isDue) stop = await validate();
    }
    at.after = 'epoch';
    trace.push('E');
    if (stopper?.afterEpoch(at.metrics) !== undefined) {
      stop = true;
      trace.push('stop');
    }
    await keeper?.afterEpoch(moment());
    nextEpoch();
  }
  at.epoch = Math.max(0, at.epoch - 1);
  await keeper?.afterTraining(moment());
  return result;
}
