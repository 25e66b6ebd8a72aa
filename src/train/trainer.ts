import { z } from 'zod';
import { checkOptions, section, type OptionsOf, type SettingsOf } from '../config/read-settings.js';
import { key } from '../config/schema/fields.js';
import { trainerOptions } from '../config/schema/trainer.js';
import { adamWOptions } from '../config/schema/training.js';
import type { TrainingSample } from '../data/training-dataset.js';
import { given, passed } from '../engine/engine-options.js';
import { fromNative } from '../engine/native-error.js';
import type { TrainableModel } from '../engine/trainable-model.js';
import { RankDistillmError } from '../errors.js';
import type { RankGroup } from '../ranks/rank-group.js';
import { findNonFinite, type NonFinite } from '../loss/find-non-finite.js';
import type { ScoreMatrix } from '../loss/loss.js';
import { weightedLosses, type WeightedLoss, type WeightedLosses } from '../loss/weighted-losses.js';
import type { EncodedPair } from '../tokenize/pair-tokenizer.js';
import { cachedPass, type PassBudget } from './gradient-cache.js';
import type { LrSchedule } from './lr-schedules.js';
import { defaultTokenBudget } from './token-budget.js';

export const trainerClassOptions = z.strictObject({
  losses: given<readonly WeightedLoss[]>('a list', 'Summed; a pair is a loss and its weight.'),
  optimizer: key(section(adamWOptions).prefault({}), 'Arguments of AdamW.'),
  lr_scheduler: passed<LrSchedule>('an object', 'Default: a constant rate.'),
  gradient_clip_val: trainerOptions.shape.gradient_clip_val,
  gradient_clip_algorithm: trainerOptions.shape.gradient_clip_algorithm,
  token_budget: trainerOptions.shape.token_budget,
  group: passed<RankGroup>(
    'an object',
    'Ranks that train this model together: a batch is what all of them are given, and each step is taken by all.',
  ),
});

export type TrainerOptions = OptionsOf<typeof trainerClassOptions>;
/** torch.optim.AdamW's arguments. */
export type AdamWOptions = OptionsOf<typeof adamWOptions>;

/** A topic of a training batch; all topics of a batch have the same number of documents. */
export type BatchSample = Pick<TrainingSample, 'queryId' | 'query' | 'docIds' | 'docs' | 'targets'>;

/** A tokenized batch. */
export interface EncodedBatch {
  samples: readonly BatchSample[];
  /** [samples · documents] */
  pairs: EncodedPair[];
  /** With a group: the size of the batch on all ranks, and the positions in it of this rank's samples. */
  whole?: { size: number; positions: readonly number[] };
}

/** With a group, loss and losses are those of the whole batch; the rest is this rank's. */
export interface BatchResult {
  /** Weighted sum. */
  loss: number;
  /** Each loss by name, unweighted. */
  losses: Record<string, number>;
  /** [samples · documents] */
  scores: Float32Array;
  tokens: number;
  /** FLOPs of the linear layers. */
  linearFlops: number;
  /** Set when a value is not finite; no gradient was added then. It counts the queries of the whole batch. */
  nonFinite: NonFinite | undefined;
}

export interface UpdateResult {
  /** Optimizer steps so far. */
  step: number;
  /** Learning rate of this step. */
  learningRate: number;
  /** Norm of the full gradient before clipping. */
  gradientNorm: number;
  /** False when the norm is not finite: the gradients were dropped and no step was taken. */
  taken: boolean;
}

/**
 * Runs single optimizer steps, for custom training loops:
 *
 * ```ts
 * await trainer.backward(await trainer.encode(samples)); // adds gradients; `model.native` can read and write them
 * await trainer.update(); // clips, takes an AdamW step, advances the learning rate
 * ```
 */
export class Trainer {
  readonly model: TrainableModel;
  readonly #budget: PassBudget;
  readonly #losses: WeightedLosses;
  readonly #optimizer: SettingsOf<typeof adamWOptions>;
  readonly #schedule: LrSchedule | undefined;
  readonly #group: RankGroup | undefined;
  readonly #clip: { norm: number | undefined; value: number };
  #step = 0;
  /** Pairs of this optimizer step so far, on all ranks; dropout masks depend on the index of the pair. */
  #pairs = 0;
  /** Whether the gradients are being summed over the ranks, so that nothing may be added. */
  #summing = false;

  /** @throws SettingError */
  constructor(model: TrainableModel, given: TrainerOptions) {
    const options = checkOptions(trainerClassOptions, given);
    this.model = model;
    this.#losses = weightedLosses(options.losses);
    this.#optimizer = options.optimizer;
    this.#schedule = options.lrScheduler;
    this.#clip = clipOf(options);
    this.#group = options.group;
    const tokens = options.tokenBudget ?? defaultTokenBudget(model.native);
    this.#budget = { tokens, partTokens: model.native.tokensPerPart };
  }

  /** Tokens whose activations are held at a time; lower than configured after the device ran out of memory. */
  get tokenBudget(): number {
    return this.#budget.tokens;
  }

  /** Optimizer steps so far. */
  get step(): number {
    return this.#step;
  }

  /** Names of the losses in results. */
  get lossNames(): readonly string[] {
    return this.#losses.names;
  }

  /** Learning rate of the next step. */
  get learningRate(): number {
    return this.#optimizer.lr * (this.#schedule?.factor(this.#step) ?? 1);
  }

  /** Continues after `step` optimizer steps; parameters and moments must already be in the model. */
  goOnFrom(step: number): void {
    this.#step = step;
  }

  /** Tokenizes a batch; may be called while the engine is busy. */
  async encode(samples: readonly BatchSample[], signal?: AbortSignal): Promise<EncodedBatch> {
    const texts = samples.flatMap(({ query, docs }) => docs.map((document) => ({ query, document })));
    return { samples, pairs: await this.model.tokenizer.encodePairs(texts, signal) };
  }

  /**
   * Adds the gradients of `share` times the loss over a batch.
   *
   * @param share 1 / number of batches of an optimizer step
   * @param isLast of the step: with a group, gradients are then summed over its ranks while they are computed, and are not
   *   to be touched before `update`; else `update` sums them
   * @throws RankDistillmError `native`, `closed`; errors of the losses
   */
  async backward(batch: EncodedBatch, share = 1, isLast = false): Promise<BatchResult> {
    const { samples, pairs } = batch;
    const own = samples.length > 0 || this.#group === undefined ? targetsOf(samples) : NO_TARGETS;
    const { size, positions } = batch.whole ?? { size: samples.length, positions: [...samples.keys()] };
    const first = this.#pairs;
    const result: BatchResult = {
      loss: Number.NaN,
      losses: {},
      scores: new Float32Array(),
      tokens: 0,
      linearFlops: 0,
      nonFinite: undefined,
    };
    const lossGradient = async (found: Float32Array): Promise<Float32Array | undefined> => {
      const { scores, targets } = await this.#wholeBatch(own, found, { size, positions });
      const computed = this.#losses.compute(scores, targets);
      this.#pairs = first + scores.values.length;
      result.loss = computed.value;
      result.losses = computed.losses;
      result.nonFinite = findNonFinite(scores, computed);
      if (result.nonFinite) return undefined;
      const { docs } = own;
      return Float32Array.from(
        found,
        (_, i) => computed.gradient[positions[Math.floor(i / docs)]! * docs + (i % docs)]! * share,
      );
    };
    try {
      const { scores, tokens, linearFlops } = await cachedPass(this.model.native, pairs, lossGradient, {
        step: this.#step,
        numberOf: (i) => first + positions[Math.floor(i / own.docs)]! * own.docs + (i % own.docs),
        budget: this.#budget,
        sums: isLast ? this.#group?.gradientSums : undefined,
        onHalved: this.model.warnHalved,
      });
      if (isLast && this.#group !== undefined && result.nonFinite === undefined) {
        this.#summing = true;
        // without a part of the batch nothing went backward here
        if (pairs.length === 0) await this.model.native.sumGradients(this.#group.gradientSums);
      }
      return Object.assign(result, { scores, tokens, linearFlops });
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** Scores and targets of all ranks, in the batch's order. */
  async #wholeBatch(
    targets: ScoreMatrix,
    found: Float32Array,
    { size, positions }: NonNullable<EncodedBatch['whole']>,
  ): Promise<{ scores: ScoreMatrix; targets: ScoreMatrix }> {
    if (this.#group === undefined) return { scores: { ...targets, values: Float64Array.from(found) }, targets };
    const parts = await this.#group.gather({ docs: targets.docs, positions, scores: found, targets: targets.values });
    const sizes = [...new Set(parts.filter(({ positions: some }) => some.length > 0).map(({ docs }) => docs))];
    if (sizes.length !== 1) throw unequalDocs(`ranks have ${sizes.join(' and ')}`);
    const [docs] = sizes as [number];
    const whole = () => ({ queries: size, docs, values: new Float64Array(size * docs) });
    const all = { scores: whole(), targets: whole() };
    for (const part of parts) {
      part.positions.forEach((position, i) => {
        all.scores.values.set(part.scores.subarray(i * docs, (i + 1) * docs), position * docs);
        all.targets.values.set(part.targets.subarray(i * docs, (i + 1) * docs), position * docs);
      });
    }
    return all;
  }

  /** Waits until the gradients are summed over all ranks: that of the whole batch. */
  async #summedGradients(): Promise<void> {
    if (this.#group === undefined) return;
    if (!this.#summing) await this.model.native.sumGradients(this.#group.gradientSums);
    await this.#group.finishSums();
    this.#summing = false;
  }

  /** Drops the gradients, to skip a step. */
  async dropGradients(): Promise<void> {
    if (this.#summing) await this.#summedGradients();
    await this.model.native.zeroGradients();
    this.#pairs = 0;
  }

  /** Clips the gradients and takes one optimizer step with them. */
  async update(): Promise<UpdateResult> {
    const { native } = this.model;
    const learningRate = this.learningRate;
    await this.#summedGradients();
    const ownNorm = await native.gradientNorm();
    // CPUs that differ sum in other orders, and ranks must not drift apart
    const gradientNorm = (await this.#group?.fromFirst(ownNorm)) ?? ownNorm;
    if (!Number.isFinite(gradientNorm)) {
      await this.dropGradients();
      return { step: this.#step, learningRate, gradientNorm, taken: false };
    }
    const { betas, eps, weightDecay } = this.#optimizer;
    await native.step({
      learningRate,
      beta1: betas[0]!,
      beta2: betas[1]!,
      eps,
      weightDecay,
      step: this.#step + 1,
      scale: this.#scale(gradientNorm),
      clipValue: this.#clip.value,
    });
    this.#step += 1;
    this.#pairs = 0;
    return { step: this.#step, learningRate, gradientNorm, taken: true };
  }

  /** Computes the losses of given scores, for validation. */
  losses(scores: ScoreMatrix, targets: ScoreMatrix): Record<string, number> {
    return this.#losses.compute(scores, targets).losses;
  }

  /** torch.nn.utils.clip_grad_norm_ */
  #scale(gradientNorm: number): number {
    return this.#clip.norm === undefined ? 1 : Math.min(1, this.#clip.norm / (gradientNorm + 1e-6));
  }
}

function clipOf({ gradientClipVal, gradientClipAlgorithm }: SettingsOf<typeof trainerClassOptions>) {
  // 0 disables clipping, as in Lightning
  const value = gradientClipVal ?? 0;
  const byValue = gradientClipAlgorithm === 'value';
  return { norm: value > 0 && !byValue ? value : undefined, value: byValue ? value : 0 };
}

const NO_TARGETS: ScoreMatrix = { queries: 0, docs: 0, values: new Float64Array() };

function targetsOf(samples: readonly BatchSample[]): ScoreMatrix {
  const docs = samples[0]?.docs.length ?? 0;
  const odd = samples.find(({ docs: texts, targets }) => texts.length !== docs || targets.length !== docs);
  if (docs === 0 || odd) {
    throw unequalDocs(
      odd ? `query '${odd.queryId}' has ${odd.docs.length}, with ${odd.targets.length} targets` : 'there are none',
    );
  }
  return { queries: samples.length, docs, values: Float64Array.from(samples.flatMap(({ targets }) => targets)) };
}

function unequalDocs(found: string): RankDistillmError {
  return new RankDistillmError('bad_input', `a batch needs the same number of documents for each query; ${found}`, {
    hint: 'Give every query of a batch the same number of documents, and each document a target.',
  });
}
