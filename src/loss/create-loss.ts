import { nearestHint } from '../config/nearest.js';
import { slotOf } from '../config/schema/fields.js';
import { losses as schema, type LossSpec } from '../config/schema/training.js';
import { badArgument, docsPage, RankDistillmError } from '../errors.js';
import { approxMRR } from './approx-mrr.js';
import { approxNDCG } from './approx-ndcg.js';
import { approxRankMSE } from './approx-rank-mse.js';
import { constantMarginMSE } from './constant-margin-mse.js';
import { infoNCE } from './info-nce.js';
import { klDivergence } from './kl-divergence.js';
import type { Loss } from './loss.js';
import { pearsonCorrelation } from './pearson-correlation.js';
import { rankNet } from './rank-net.js';
import { supervisedMarginMSE } from './supervised-margin-mse.js';

/** The schema defines the losses, their arguments and the defaults. */
const BUILDERS: { readonly [Spec in LossSpec as Spec['class_path']]: (args: Spec['init_args']) => Loss } = {
  RankNet: ({ temperature }) => rankNet(temperature),
  InfoNCE: () => infoNCE(),
  KLDivergence: () => klDivergence(),
  PearsonCorrelation: () => pearsonCorrelation(),
  ConstantMarginMSE: ({ margin }) => constantMarginMSE(margin),
  SupervisedMarginMSE: () => supervisedMarginMSE(),
  ApproxNDCG: ({ temperature, scale_gains }) => approxNDCG(temperature, scale_gains),
  ApproxMRR: ({ temperature }) => approxMRR(temperature),
  ApproxRankMSE: ({ temperature, discount }) => approxRankMSE(temperature, discount),
};

/**
 * Creates a loss of lightning-ir by its class name, with the argument names and defaults of the YAML:
 * `createLoss('ApproxRankMSE', { discount: 'log2' })`. LocalizedContrastiveEstimation is InfoNCE's old name.
 *
 * @throws RankDistillmError `bad_input` for an unknown name or argument
 */
export function createLoss(name: string, initArgs: Readonly<Record<string, unknown>> = {}): Loss {
  if (typeof name !== 'string') throw badArgument('name', 'the name of a loss', name);
  const slot = slotOf(schema);
  const known = slot?.aliases[name] ?? name;
  const args = slot?.classes.get(known);
  if (!args || !isBuilt(known)) {
    throw new RankDistillmError('bad_input', `unknown loss "${name}"`, {
      hint: `${nearestHint(name, Object.keys(BUILDERS), 'loss')} loadUserLoss loads custom losses.`,
    });
  }
  if (typeof initArgs !== 'object' || initArgs === null) throw badArgument('initArgs', 'an object', initArgs);
  const { data, error } = args.safeParse(initArgs);
  if (error) {
    const issue = error.issues[0];
    const place = ['init_args', ...(issue?.path ?? [])].join('.');
    throw new RankDistillmError('bad_input', `${known}: ${place}: ${issue?.message}`, {
      hint: `${docsPage('losses')} lists the arguments of each loss.`,
    });
  }
  const build = BUILDERS[known] as (args: unknown) => Loss;
  return { ...build(data), initArgs: data };
}

function isBuilt(name: string): name is keyof typeof BUILDERS {
  return Object.hasOwn(BUILDERS, name);
}
