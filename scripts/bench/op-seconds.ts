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

export function sharesOfOps(seconds: OpSeconds): OpSeconds {
  const all = OPS.reduce((sum, op) => sum + seconds[op], 0);
  return ofEach((op) => seconds[op] / all);
}
