import { z } from 'zod';
import { allIgnored, classSpec, extended, ignored, key, onlyDefault, slot, slotWithOwn } from './fields.js';

const temperature = (doc: string) => key(z.number().positive().default(1), doc, 'fit');

/** Losses over the scores of a topic's documents. Those over embeddings are for bi-encoders, see `not-built.ts`. */
const lossClasses = [
  classSpec('RankNet', 'Pairwise logistic loss.', {
    temperature: temperature('Multiplies the scores.'),
  }),
  classSpec('InfoNCE', 'Cross-entropy of the document with the highest target against the others.', {}),
  classSpec('KLDivergence', 'Kullback-Leibler divergence between softmaxed scores and targets.', {}),
  classSpec('PearsonCorrelation', '1 minus the correlation of scores and targets.', {}),
  classSpec('ConstantMarginMSE', 'Squared error of score differences against a fixed margin.', {
    margin: key(z.number().default(1), 'The margin.', 'fit'),
  }),
  classSpec('SupervisedMarginMSE', 'Squared error of score differences against the differences of the targets.', {}),
  classSpec('ApproxNDCG', '1 minus nDCG with smooth ranks.', {
    temperature: temperature('Smoothness of the ranks.'),
    scale_gains: key(z.boolean().default(true), 'Gains 2^relevance - 1 instead of the relevance.', 'fit'),
  }),
  classSpec('ApproxMRR', '1 minus the reciprocal rank with smooth ranks.', {
    temperature: temperature('Smoothness of the ranks.'),
  }),
  classSpec('ApproxRankMSE', 'Squared error of smooth ranks against the ranks of the targets.', {
    temperature: temperature('Smoothness of the ranks.'),
    discount: key(z.enum(['log2', 'reciprocal']).nullable().default(null), 'Weight of a rank.', 'fit'),
  }),
] as const;

/** A loss of ours as a configuration names it. */
export type LossSpec = z.output<(typeof lossClasses)[number]>;

export const losses = slotWithOwn(lossClasses, { aliases: { LocalizedContrastiveEstimation: 'InfoNCE' } });

/** `loss_functions`: classes, or pairs of a class and its weight. */
export const lossFunctions = z
  .array(z.union([losses, z.tuple([losses, z.number()])]))
  .nullable()
  .default(null);

/** `AdamWOptions` of the API. */
export const adamWOptions = z.strictObject({
  lr: key(z.number().nonnegative().default(1e-3), 'Learning rate.', 'fit'),
  betas: key(
    z.array(z.number().min(0).lt(1)).length(2).default([0.9, 0.999]),
    'Decay rates of the two moments.',
    'fit',
  ),
  eps: key(z.number().nonnegative().default(1e-8), 'Added to the denominator.', 'fit'),
  weight_decay: key(z.number().nonnegative().default(1e-2), 'Decoupled weight decay.', 'fit'),
});

const falseOnly = (what: string) =>
  key(z.boolean().default(false), 'Not supported, must be false.', 'fit', onlyDefault(what, 'Set it to false.', false));

export const optimizer = slot([
  classSpec(
    'AdamW',
    'Adam with decoupled weight decay, torch.optim.AdamW.',
    extended(adamWOptions, {
      amsgrad: falseOnly('is not supported'),
      maximize: falseOnly('is not supported: fit minimizes its losses'),
      ...allIgnored({ foreach: null, capturable: false, differentiable: false, fused: null }),
    }),
  ),
]);

const steps = z.int().min(0);
const delay = key(steps.default(0), 'Steps at rate 0 before the warm-up.', 'fit');
const totalIters = key(z.int().min(1).default(5), 'Steps until the second share.', 'fit');
const share = z.number().min(0).max(1);
const lastEpoch = { last_epoch: ignored(undefined, -1) };

/** Arguments of each schedule, which are options of its class in the API. All are stepped once an optimizer step. */
export const scheduleOptions = {
  LinearLRSchedulerWithLinearWarmup: z.strictObject({
    num_warmup_steps: key(steps, 'Steps of warm-up.', 'fit'),
    num_training_steps: key(
      steps.nullable().default(null),
      'All steps, delay and warm-up included; null: trainer.max_steps, or the steps of max_epochs.',
      'fit',
    ),
    final_value: key(z.number().min(0).default(0), 'Share of the learning rate at the end.', 'fit'),
    num_delay_steps: delay,
  }),
  ConstantLRSchedulerWithLinearWarmup: z.strictObject({
    num_warmup_steps: key(steps, 'Steps of warm-up.', 'fit'),
    num_delay_steps: delay,
  }),
  LinearLR: z.strictObject({
    start_factor: key(share.gt(0).default(1 / 3), 'Share of the learning rate at the start.', 'fit'),
    end_factor: key(share.default(1), 'Share at the end.', 'fit'),
    total_iters: totalIters,
  }),
  ConstantLR: z.strictObject({
    factor: key(share.default(1 / 3), 'Share of the learning rate at the start.', 'fit'),
    total_iters: totalIters,
  }),
  CosineAnnealingLR: z.strictObject({
    T_max: key(z.int().min(1), 'Steps to the lowest rate.', 'fit'),
    eta_min: key(z.number().min(0).default(0), 'Lowest learning rate.', 'fit'),
  }),
};

export const lrScheduler = slot([
  classSpec(
    'LinearLRSchedulerWithLinearWarmup',
    'Linear warm-up, then linear decay.',
    scheduleOptions.LinearLRSchedulerWithLinearWarmup,
  ),
  classSpec(
    'ConstantLRSchedulerWithLinearWarmup',
    'Linear warm-up, then constant.',
    scheduleOptions.ConstantLRSchedulerWithLinearWarmup,
  ),
  classSpec(
    'LinearLR',
    "torch's: from one share of the learning rate to another, then constant.",
    extended(scheduleOptions.LinearLR, lastEpoch),
  ),
  classSpec(
    'ConstantLR',
    "torch's: a share of the learning rate, then all of it.",
    extended(scheduleOptions.ConstantLR, lastEpoch),
  ),
  classSpec(
    'CosineAnnealingLR',
    "torch's: half a cosine down to eta_min in T_max steps, and up again.",
    extended(scheduleOptions.CosineAnnealingLR, lastEpoch),
  ),
]);
