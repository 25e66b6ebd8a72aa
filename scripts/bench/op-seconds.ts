import type { OpSeconds } from '../../binding.js';

export const OPS = [
  'linear',
  'activation',
  'attention',
  'norm',
  'embedding',
  'rest',
] as const satisfies (keyof OpSeconds)[];

function ofEach(value: (op: keyof OpSeconds) => number): OpSeconds {
  return Object.fromEntries(OPS.map((op) => [op, value(op)])) as Record<keyof OpSeconds, number>;
}

export function sumOfOps(a: OpSeconds | undefined, b: OpSeconds | undefined): OpSeconds | undefined {
  return a && b ? ofEach((op) => a[op] + b[op]) : (a ?? b);
}

/** Undefined where the engine has not measured them. */
export function sharesOfOps(seconds: OpSeconds): OpSeconds | undefined {
  const all = OPS.reduce((sum, op) => sum + seconds[op], 0);
  return all === 0 ? undefined : ofEach((op) => seconds[op] / all);
}
