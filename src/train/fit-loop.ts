import type { TrainingDataset } from '../data/training-dataset.js';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import type { NonFinite } from '../loss/find-non-finite.js';
import type { RankGroup } from '../ranks/rank-group.js';
import type { CheckpointKeeper, CheckpointMoment } from './checkpoints/keeper.js';
import type { RunIdentity, TrainingPhase, TrainingState } from './checkpoints/state.js';
import type { EarlyStopper } from './early-stopping.js';
import { isStepDue, isValidationDue, reachedLimit, type TrainingPlan } from './train-limits.js';
import type { BatchResult, BatchSample, EncodedBatch, Trainer } from './trainer.js';
import { trainingBatches } from './training-batches.js';
import type { StepReport, ValidationReport } from './training-reports.js';

export type StopReason = 'max_steps' | 'max_epochs' | 'max_time' | 'early_stopping';

export interface FitLoopOptions {
  trainer: Trainer;
  dataset: TrainingDataset;
  plan: TrainingPlan;
  identity: RunIdentity;
  nonFinite: 'stop' | 'skip';
  stoppers: readonly EarlyStopper[];
  /**
   * Validates on the given number of batches of each dataset and returns metrics. Throws `aborted` after the signal.
   */
  validate?: ((batches: readonly number[]) => Promise<Record<string, number>>) | undefined;
  /** Called after each optimizer step, including skipped ones. */
  onStep: (report: StepReport) => void | Promise<void>;
  onValidation: (report: ValidationReport) => void | Promise<void>;
  onStop: (why: string) => void;
  signal?: AbortSignal | undefined;
  /** State of the checkpoint to continue from. */
  resume?: TrainingState | undefined;
  /** Samples of the first batch after a resume that were trained on before. */
  skip?: number | undefined;
  /** Ranks that train together, `trainer`'s. They end together: when one's signal fires, or at the time of the first. */
  group?: RankGroup | undefined;
}

/** What ranks tell each other after a step. */
interface RankStep {
  aborted: boolean;
  seconds: number;
  pairs: number;
  tokens: number;
  linearFlops: number;
}

type NamedSample = Pick<BatchSample, 'queryId' | 'docIds'>;

/** The part of a state that a validation changes. */
type Validated = Pick<TrainingState, 'metrics' | 'stoppers'>;

/** Give up after this many consecutive non-finite steps. */
const MOST_SKIPPED_IN_A_ROW = 100;

/**
 * The training loop: batches, optimizer steps, validation, checkpoints and early stopping in the order of Lightning's
 * Trainer. A resumed run continues as if it had not been interrupted.
 */
export class FitLoop {
  readonly #options: FitLoopOptions;
  /** Set by `useKeepers`, because keepers need the loop's `state`. */
  #keepers: readonly CheckpointKeeper[] = [];
  #epoch = 0;
  #batch = 0;
  #totalBatches = 0;
  /** Batches of this epoch at the last optimizer step. Checkpoints do not contain gradients accumulated since then. */
  #steppedBatch = 0;
  /** Validation state at the last optimizer step; a later validation is rerun after a resume. */
  #stepValidated: Validated | undefined;
  #phase: TrainingPhase = 'epoch';
  #seconds = 0;
  #skipped = 0;
  #skippedInARow = 0;
  #metrics: Record<string, number> = {};
  #stopped: string | undefined;
  /** Whether the signal of any rank had fired at the last step. */
  #aborted = false;

  constructor(options: FitLoopOptions) {
    this.#options = options;
    const { resume } = options;
    if (!resume) return;
    this.#epoch = resume.epoch;
    this.#batch = resume.batch;
    this.#steppedBatch = resume.batch;
    this.#totalBatches = resume.totalBatches;
    this.#phase = resume.phase;
    this.#seconds = resume.seconds;
    this.#skipped = resume.skippedSteps;
    this.#metrics = { ...resume.metrics };
    options.stoppers.forEach((stopper, i) => {
      const state = resume.stoppers[i];
      if (state) stopper.restore(state);
      this.#stopped ??= stopper.reason;
    });
  }

  useKeepers(keepers: readonly CheckpointKeeper[]): void {
    this.#keepers = keepers;
  }

  /** State for a checkpoint. Between two optimizer steps, it is the state after the first of them. */
  get state(): TrainingState {
    const pending = this.#batch - this.#steppedBatch;
    const { metrics, stoppers } = (pending > 0 ? this.#stepValidated : undefined) ?? this.#validated();
    return {
      step: this.#options.trainer.step,
      epoch: this.#epoch,
      batch: this.#steppedBatch,
      totalBatches: this.#totalBatches - pending,
      phase: pending > 0 ? 'validation' : this.#phase,
      seconds: this.#seconds,
      skippedSteps: this.#skipped,
      metrics,
      keepers: this.#keepers.map((keeper) => keeper.state),
      stoppers,
      run: this.#options.identity,
    };
  }

  get metrics(): Readonly<Record<string, number>> {
    return this.#metrics;
  }

  /**
   * @throws RankDistillmError `aborted` after the signal, once a checkpoint is saved; errors of data, losses and engine
   */
  async run(): Promise<StopReason> {
    const { plan, resume } = this.#options;
    if (!resume && plan.sanityBatches) await this.#validation(plan.sanityBatches, true);
    if (resume?.phase === 'epoch') await this.#saveEpoch();
    else if (resume && resume.batch > 0) await this.#finishBatch();
    for (;;) {
      const reason = this.#limit();
      if (reason) {
        await this.#endEpoch();
        for (const keeper of this.#keepers) await keeper.afterTraining(this.#moment());
        return reason;
      }
      if (this.#batch >= plan.batchesPerEpoch) {
        await this.#endEpoch();
        this.#epoch += 1;
        this.#batch = 0;
        this.#steppedBatch = 0;
      } else {
        await this.#trainEpoch();
      }
    }
  }

  #limit(): StopReason | undefined {
    if (this.#stopped !== undefined) return 'early_stopping';
    const { plan, trainer } = this.#options;
    const isWhole = this.#batch >= plan.batchesPerEpoch;
    const epochs = this.#epoch + (isWhole ? 1 : 0);
    return reachedLimit(plan, { steps: trainer.step, epochs, seconds: this.#seconds });
  }

  /** Trains to the end of the epoch or of the run. */
  async #trainEpoch(): Promise<void> {
    const { trainer, dataset, plan, signal, group: ranks, resume, skip } = this.#options;
    const isResumed = this.#epoch === resume?.epoch && this.#batch === resume.batch;
    const batches = trainingBatches({
      dataset,
      trainer,
      batchSize: plan.batchSize,
      shuffle: plan.shuffle,
      epoch: this.#epoch,
      from: this.#batch,
      skip: isResumed ? skip : 0,
      share: ranks && { index: ranks.rank, of: ranks.ranks },
      until: plan.batchesPerEpoch,
    });
    const group = new StepGroup();
    try {
      for (;;) {
        const asked = performance.now();
        const next = await batches.next();
        if (next.done) throw endedEarly(dataset.name, this.#batch, plan.batchesPerEpoch);
        group.waited += performance.now() - asked;
        await this.#trainBatch(next.value, group);
        await this.#finishBatch();
        if (this.#batch !== this.#steppedBatch) continue;
        if (ranks ? this.#aborted : signal?.aborted) await this.#interrupt();
        if (this.#batch >= plan.batchesPerEpoch || this.#limit()) return;
      }
    } finally {
      await batches.return();
    }
  }

  async #trainBatch(batch: EncodedBatch, group: StepGroup): Promise<void> {
    const { trainer, plan, nonFinite } = this.#options;
    if (this.#batch === this.#steppedBatch) this.#stepValidated = this.#validated();
    const result = await trainer.backward(batch, 1 / plan.accumulate, isStepDue(plan, this.#batch + 1));
    if (result.nonFinite && nonFinite === 'stop')
      throw nonFiniteError(trainer.step, await this.#wholeSamples(batch), result.nonFinite);
    group.add(batch, result);
    this.#batch += 1;
    this.#totalBatches += 1;
    this.#phase = 'step';
    if (isStepDue(plan, this.#batch)) await this.#step(group);
  }

  async #step(group: StepGroup): Promise<void> {
    const { trainer, nonFinite } = this.#options;
    if (group.isFinite) {
      const update = await trainer.update();
      if (!update.taken && nonFinite === 'stop')
        throw gradientOverflow(trainer.step, group.samples, update.gradientNorm);
      await this.#report(group, update, !update.taken);
    } else {
      const learningRate = trainer.learningRate;
      await trainer.dropGradients();
      await this.#report(group, { step: trainer.step, learningRate, gradientNorm: Number.NaN }, true);
    }
    group.clear();
  }

  async #report(
    group: StepGroup,
    update: Pick<StepReport, 'step' | 'learningRate' | 'gradientNorm'>,
    skipped: boolean,
  ): Promise<void> {
    const { loss, losses } = group.means();
    const own = (performance.now() - group.start) / 1000;
    const { seconds, pairs, tokens, linearFlops } = await this.#agree(group, own);
    this.#seconds += seconds;
    this.#steppedBatch = this.#batch;
    this.#skipped += skipped ? 1 : 0;
    this.#skippedInARow = skipped ? this.#skippedInARow + 1 : 0;
    if (!skipped) this.#metrics = { ...this.#metrics, loss, ...losses };
    await this.#options.onStep({
      ...update,
      epoch: this.#epoch,
      batch: this.#batch,
      loss,
      losses,
      pairs,
      tokens,
      linearFlops,
      seconds,
      waitShare: Math.min(1, group.waited / 1000 / own),
      skipped,
    });
    if (this.#skippedInARow < MOST_SKIPPED_IN_A_ROW) return;
    throw new RankDistillmError(
      'bad_input',
      `step ${update.step}: ${this.#skippedInARow} steps in a row were skipped`,
      {
        hint: 'All their losses or gradients are NaN or infinite: lower the learning rate and resume from an earlier checkpoint.',
      },
    );
  }

  /** The step's sums over all ranks, and what must be the same on all of them. */
  async #agree({ pairs, tokens, linearFlops }: StepGroup, seconds: number): Promise<RankStep> {
    const own: RankStep = { aborted: this.#options.signal?.aborted === true, seconds, pairs, tokens, linearFlops };
    const all = (await this.#options.group?.gather(own)) ?? [own];
    this.#aborted = all.some(({ aborted }) => aborted);
    const sum = (key: 'pairs' | 'tokens' | 'linearFlops'): number => all.reduce((total, each) => total + each[key], 0);
    return {
      aborted: this.#aborted,
      seconds: all[0]!.seconds,
      pairs: sum('pairs'),
      tokens: sum('tokens'),
      linearFlops: sum('linearFlops'),
    };
  }

  /** The samples of a batch on all ranks, without texts, in the batch's order. */
  async #wholeSamples({ samples, whole }: EncodedBatch): Promise<readonly NamedSample[]> {
    const own = samples.map(({ queryId, docIds }) => ({ queryId, docIds }));
    if (!this.#options.group || !whole) return own;
    const result: NamedSample[] = [];
    for (const part of await this.#options.group.gather({ own, positions: whole.positions })) {
      part.positions.forEach((position, i) => (result[position] = part.own[i]!));
    }
    return result;
  }

  /** Runs the checkpoints and the validation that are due after a batch. A resumed run may start here. */
  async #finishBatch(): Promise<void> {
    const { plan, stoppers } = this.#options;
    const position = { epoch: this.#epoch, batch: this.#batch, totalBatches: this.#totalBatches };
    const isStep = this.#batch === this.#steppedBatch;
    // a run that ends by max_time is validated once more
    const validates = isValidationDue(plan, position, isStep && this.#limit() === 'max_time');
    if (this.#phase === 'step') {
      if (isStep) for (const keeper of this.#keepers) await keeper.afterStep(this.#moment(), validates);
      if (!validates) return;
      await this.#validation(plan.validationBatches!, false);
      this.#phase = 'validation';
      // before the keepers, so that their checkpoints contain the updated state of the stoppers
      for (const stopper of stoppers) this.#stop(stopper.afterValidation(this.#metrics));
    }
    // safe to repeat after a resume: a keeper that has saved this step does nothing
    if (validates) for (const keeper of this.#keepers) await keeper.afterValidation(this.#moment());
  }

  /** Also called when a run ends within an epoch, as in Lightning. */
  async #endEpoch(): Promise<void> {
    if (this.#phase === 'epoch') return;
    this.#phase = 'epoch';
    for (const stopper of this.#options.stoppers) this.#stop(stopper.afterEpoch(this.#metrics));
    await this.#saveEpoch();
  }

  async #saveEpoch(): Promise<void> {
    for (const keeper of this.#keepers) await keeper.afterEpoch(this.#moment());
  }

  async #validation(batches: readonly number[], sanityCheck: boolean): Promise<void> {
    const { validate, trainer, onValidation } = this.#options;
    if (!validate) return;
    const metrics = await validate(batches).catch(async (error: unknown) => {
      // its metrics are not in the state yet, so a resumed run repeats the validation
      if (error instanceof RankDistillmError && error.code === 'aborted') await this.#interrupt();
      throw error;
    });
    if (!sanityCheck) this.#metrics = { ...this.#metrics, ...metrics };
    await onValidation({ step: trainer.step, epoch: this.#epoch, sanityCheck, metrics });
  }

  #validated(): Validated {
    return {
      metrics: Object.fromEntries(Object.entries(this.#metrics).filter(([, value]) => Number.isFinite(value))),
      stoppers: this.#options.stoppers.map((stopper) => stopper.state),
    };
  }

  #stop(why: string | undefined): void {
    if (why === undefined) return;
    if (this.#stopped === undefined) this.#options.onStop(why);
    this.#stopped ??= why;
  }

  async #interrupt(): Promise<never> {
    const { signal } = this.#options;
    await this.#keepers[0]?.saveNow(this.#moment());
    throwIfAborted(signal);
    throw new RankDistillmError('aborted', 'interrupted on another rank');
  }

  #moment(): CheckpointMoment {
    return { epoch: this.#epoch, step: this.#options.trainer.step, metrics: this.#metrics };
  }
}

/** Sums over the batches of an optimizer step. */
class StepGroup {
  start = performance.now();
  /** Milliseconds in which the engine was idle. */
  waited = 0;
  pairs = 0;
  tokens = 0;
  linearFlops = 0;
  isFinite = true;
  samples: EncodedBatch['samples'][number][] = [];
  #results: BatchResult[] = [];

  add(batch: EncodedBatch, result: BatchResult): void {
    this.samples.push(...batch.samples);
    this.pairs += batch.pairs.length;
    this.tokens += result.tokens;
    this.linearFlops += result.linearFlops;
    this.isFinite &&= result.nonFinite === undefined;
    this.#results.push(result);
  }

  means(): { loss: number; losses: Record<string, number> } {
    const mean = (valueOf: (result: BatchResult) => number): number =>
      this.#results.reduce((sum, result) => sum + valueOf(result), 0) / this.#results.length;
    const names = Object.keys(this.#results[0]?.losses ?? {});
    return {
      loss: mean((result) => result.loss),
      losses: Object.fromEntries(names.map((name) => [name, mean((result) => result.losses[name]!)])),
    };
  }

  clear(): void {
    Object.assign(this, { start: performance.now(), waited: 0, pairs: 0, tokens: 0, linearFlops: 0, isFinite: true });
    this.samples = [];
    this.#results = [];
  }
}

function endedEarly(name: string, found: number, expected: number): RankDistillmError {
  return new RankDistillmError('bad_input', `${name}: ended after ${found} of ${expected} batches`, {
    hint: 'The data changed while it was read; start again.',
  });
}

const HINT =
  'Lower the learning rate, warm up, or clip gradients (trainer.gradient_clip_val), or set trainer.non_finite: skip to ' +
  'skip and count such steps.';
/** Keeps messages short. */
const IDS_SHOWN = 8;

/** Error for a NaN or infinite loss, score or gradient. Names the step and, if known, the query and document. */
function nonFiniteError(
  step: number,
  samples: readonly NamedSample[],
  { what, value, query, doc }: NonFinite,
): RankDistillmError {
  const sample = query === undefined ? undefined : samples[query];
  const place =
    sample === undefined ? queriesOf(samples) : `query '${sample.queryId}', document '${sample.docIds[doc ?? 0]}'`;
  return new RankDistillmError('bad_input', `step ${step + 1}: the ${what} is ${value} (${place})`, { hint: HINT });
}

/** Error for a NaN or infinite gradient norm when scores and losses are finite. */
function gradientOverflow(step: number, samples: readonly NamedSample[], norm: number): RankDistillmError {
  const message = `step ${step + 1}: the norm of the gradient is ${norm} (${queriesOf(samples)})`;
  return new RankDistillmError('bad_input', message, { hint: HINT });
}

function queriesOf(samples: readonly NamedSample[]): string {
  const shown = samples.slice(0, IDS_SHOWN).map(({ queryId }) => `'${queryId}'`);
  const more = samples.length > shown.length ? ` and ${samples.length - shown.length} more` : '';
  const documents = [...new Set(samples.flatMap(({ docIds }) => docIds))];
  const someDocuments = documents.slice(0, IDS_SHOWN).map((id) => `'${id}'`);
  const moreDocuments = documents.length > IDS_SHOWN ? ` and ${documents.length - IDS_SHOWN} more` : '';
  return `queries ${shown.join(', ')}${more}; documents ${someDocuments.join(', ')}${moreDocuments}`;
}
