import type { RandomStream } from '../random/random-stream.js';

/** log Γ(x) for x > 0: Lanczos' series with g = 607/128, 15 terms; relative error below 1e-14 (Godfrey 2001). */
function logGamma(x: number): number {
  const SERIES = [
    0.9999999999999971, 57.15623566586292, -59.59796035547549, 14.136097974741746, -0.4919138160976202,
    3.399464998481189e-5, 4.652362892704858e-5, -9.837447530487956e-5, 0.0001580887032249125, -0.00021026444172410488,
    0.00021743961811521265, -0.0001643181065367639, 8.441822398385275e-5, -2.6190838401581408e-5, 3.6899182659531625e-6,
  ];
  const t = x + 607 / 128 - 0.5;
  const sum = SERIES.reduce((total, term, i) => total + (i === 0 ? term : term / (x + i - 1)), 0);
  return (x - 0.5) * Math.log(t) - t + 0.5 * Math.log(2 * Math.PI) + Math.log(sum);
}

/**
 * The regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22, evaluated by Lentz's
 * method), which converges fast for x < (a + 1) / (a + b + 2); beyond that by 1 - I_{1-x}(b, a).
 */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  const TINY = 1e-300;
  const guard = (value: number): number => (Math.abs(value) < TINY ? TINY : value);
  let d = 1 / guard(1 - ((a + b) * x) / (a + 1));
  let c = 1;
  let fraction = d;
  for (let m = 1; m < 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / guard(1 + even * d);
    c = guard(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / guard(1 + odd * d);
    c = guard(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return front * fraction;
}

/** Mean and standard deviation with n - 1. */
function moments(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}

/**
 * The two-sided paired t-test of differences, as scipy.stats.ttest_rel.
 *
 * @param differences [topics], of two systems
 * @returns p: undefined for fewer than two topics; 1 where no topic differs. effect: Cohen's d of the differences, their
 *   mean over their deviation (0 where no topic differs)
 */
export function pairedTTest(differences: readonly number[]): { p: number | undefined; effect: number | undefined } {
  const n = differences.length;
  if (n < 2) return { p: undefined, effect: undefined };
  if (differences.every((difference) => difference === 0)) return { p: 1, effect: 0 };
  const { mean, deviation } = moments(differences);
  if (deviation === 0) return { p: 0, effect: undefined };
  const t = mean / (deviation / Math.sqrt(n));
  const freedom = n - 1;
  return { p: incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5), effect: mean / deviation };
}

/**
 * Fisher's randomization test, two-sided: how often a random exchange of the systems in each topic gives a mean
 * difference at least as large. All 2^topics exchanges are tried where they are no more than `resamples`; else random
 * ones, with the observed one among them (Smucker, Allan and Carterette, CIKM 2007; scipy.stats.permutation_test).
 */
export function randomizationTest(differences: readonly number[], resamples: number, random: RandomStream): number {
  const n = differences.length;
  const observed = Math.abs(differences.reduce((sum, difference) => sum + difference, 0));
  // rounding must not tell apart exchanges of the same sum
  const bound = observed * (1 - 1e-12) - 1e-14;
  const isExact = 2 ** n <= resamples;
  const count = isExact ? 2 ** n : resamples;
  let asLarge = isExact ? 0 : 1;
  for (let k = 0; k < count; k++) {
    let sum = 0;
    let bits = 0;
    for (let i = 0; i < n; i++) {
      if (i % 32 === 0) bits = isExact ? k : random.uint32();
      sum += (bits >>> (i % 32)) & 1 ? differences[i]! : -differences[i]!;
    }
    if (Math.abs(sum) >= bound) asLarge += 1;
  }
  return asLarge / (isExact ? count : count + 1);
}

/**
 * Percentile bootstrap interval of the mean difference over topics (Sakai, SIGIR 2006; scipy.stats.bootstrap with
 * method='percentile').
 *
 * @param confidence 0.95 for 95 %
 * @returns [lower, upper]
 */
export function bootstrapInterval(
  differences: readonly number[],
  confidence: number,
  resamples: number,
  random: RandomStream,
): [number, number] {
  const n = differences.length;
  const means = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += differences[random.below(n)]!;
    return sum / n;
  }).sort();
  /** Linear interpolation between the two nearest, as numpy's percentile. */
  const quantile = (share: number): number => {
    const position = share * (resamples - 1);
    const below = Math.floor(position);
    const [low, high] = [means[below]!, means[Math.min(below + 1, resamples - 1)]!];
    return low + (high - low) * (position - below);
  };
  return [quantile((1 - confidence) / 2), quantile((1 + confidence) / 2)];
}

export const CORRECTIONS = ['holm', 'bonferroni', 'none'] as const;
export type Correction = (typeof CORRECTIONS)[number];

/**
 * p-values corrected for the number of tests, as statsmodels' multipletests. Tests without a p-value do not count.
 *
 * Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 1979.
 */
export function corrected<T extends number | undefined>(ps: readonly T[], correction: Correction): T[] {
  const order = [...ps.keys()].filter((i) => ps[i] !== undefined).sort((i, j) => ps[i]! - ps[j]!);
  const result = [...ps];
  let largest = 0;
  order.forEach((i, rank) => {
    const tests = { holm: order.length - rank, bonferroni: order.length, none: 1 }[correction];
    const p = Math.min(1, ps[i]! * tests);
    largest = Math.max(largest, p);
    result[i] = (correction === 'holm' ? largest : p) as T;
  });
  return result;
}
