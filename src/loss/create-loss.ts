import { nearestHint } from '../config/nearest.js';
import { slotOf } from '../config/schema/fields.js';
import { losses as schema } from '../config/schema/training.js';
import { RankDistillmError } from '../errors.js';
import { approxMRR } from './approx-mrr.js';
import { approxNDCG } from './approx-ndcg.js';
import { approxRankMSE, type RankDiscount } from './approx-rank-mse.js';
import { constantMarginMSE } from './constant-margin-mse.js';
import { infoNCE } from './info-nce.js';
import { klDivergence } from './kl-divergence.js';
import type { Loss } from './loss.js';
import { pearsonCorrelation } from './pearson-correlation.js';
import { rankNet } from './rank-net.js';
import { supervisedMarginMSE } from './supervised-margin-mse.js';

/** All init_args of the losses; the schema says which one takes which, and what is meant where it is left out. */
interface LossArguments {
  temperature: number;
  discount: RankDiscount;
  scale_gains: boolean;
  margin: number;
}

const BUILDERS: Readonly<Record<string, (args: LossArguments) => Loss>> = {
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
 * A loss of lightning-ir by its class name, with the names and defaults of its YAML: `createLoss('ApproxRankMSE',
 * { discount: 'log2' })`. LocalizedContrastiveEstimation is InfoNCE's old name.
 *
 * @throws RankDistillmError `bad_input` for an unknown name or argument
 */
export function createLoss(name: string, initArgs: Readonly<Record<string, unknown>> = {}): Loss {
  const slot = slotOf(schema);
  const known = slot?.aliases[name] ?? name;
  const build = Object.hasOwn(BUILDERS, known) ? BUILDERS[known] : undefined;
  const args = slot?.classes.get(known);
  if (!build || !args) {
    throw new RankDistillmError('bad_input', `unknown loss "${name}"`, {
      hint: `${nearestHint(name, Object.keys(BUILDERS), 'loss')} loadUserLoss loads one of your own.`,
    });
  }
  const { data, error } = args.safeParse(initArgs);
  if (error) {
    const issue = error.issues[0];
    const place = ['init_args', ...(issue?.path ?? [])].join('.');
    throw new RankDistillmError('bad_input', `${known}: ${place}: ${issue?.message}`, {
      hint: 'docs/losses.md lists the arguments of each loss.',
    });
  }
  return build(data as unknown as LossArguments);
}
