import { badArgument, numberWithin } from './check-argument.js';

/** torch.optim.AdamW's arguments. */
export interface AdamWOptions {
  /** Learning rate. Default 1e-3, as there. */
  lr?: number | undefined;
  /** Decay of the two moments. Default [0.9, 0.999]. */
  betas?: readonly [number, number] | undefined;
  /** Default 1e-8. */
  eps?: number | undefined;
  /** Decoupled weight decay. Default 1e-2. */
  weightDecay?: number | undefined;
}

/** With all defaults. @throws bad_input for an argument out of its range */
export function checkAdamW(
  options: AdamWOptions,
): Required<{ [K in keyof AdamWOptions]: NonNullable<AdamWOptions[K]> }> {
  const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 1e-2 } = options;
  if (betas.length !== 2 || betas.some((beta) => !(beta >= 0 && beta < 1))) {
    throw badArgument('betas', 'two numbers from 0 to below 1', betas);
  }
  return {
    lr: numberWithin('lr', lr, 0),
    betas,
    eps: numberWithin('eps', eps, 0),
    weightDecay: numberWithin('weightDecay', weightDecay, 0),
  };
}
