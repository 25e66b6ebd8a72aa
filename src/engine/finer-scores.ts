import type { DeviceBinding, NativeModel } from '../../binding.js';
import type { Checkpoint } from '../models/checkpoint.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';
import { chooseArithmetic, finestAround, isFiner, nameOf, nativeArithmetic, type Arithmetic } from './arithmetic.js';
import type { ResolvedEngine } from './engine-options.js';
import { ErrorBound, PAIRS_WANTED } from './error-bound.js';
import { fromNative } from './native-error.js';
import { refineTop } from './refine.js';

/** How many documents were scored again in a finer arithmetic. */
export interface RefinedCounts {
  documents: number;
  rescored: number;
  /** Of those, in 32-true; for the others the arithmetic of bf16-mixed was fine enough, where that is one of its own. */
  inFloat32: number;
  /** What a score was taken to be off at most; undefined: not known yet, and everything was scored again. */
  bound: number | undefined;
  /** Scores that were off by more. The bound was raised and the documents looked at again; 0 where the bound holds. */
  exceeded: number;
}

/** The bounds on the errors of a model's scores, and of those of each finer arithmetic but 32-true. */
export type ErrorBounds = readonly number[];

/** How documents become pairs, and pairs' scores those of documents. */
interface RefineWork {
  /** Instead of the model's own. */
  bounds?: ErrorBounds | undefined;
  signal?: AbortSignal | undefined;
  pairsOf: (index: number) => readonly TextPair[];
  valueOf: (index: number, finer: Float32Array) => number;
}

interface Parts {
  checkpoint: Checkpoint;
  engine: ResolvedEngine;
  arithmetic: Arithmetic;
  binding: DeviceBinding;
  native: NativeModel;
  warn: (message: string) => void;
  scoreIn: (model: NativeModel, pairs: readonly TextPair[], signal: AbortSignal | undefined) => Promise<Float32Array>;
}

/** The same weights in a finer arithmetic, loaded when they are first needed. */
class FinerModel {
  readonly #load: () => Promise<NativeModel>;
  #native: Promise<NativeModel> | undefined;

  constructor(load: () => Promise<NativeModel>) {
    this.#load = load;
  }

  get native(): Promise<NativeModel> {
    this.#native ??= this.#load();
    this.#native.catch(() => (this.#native = undefined)); // the next call tries again
    return this.#native;
  }

  async close(): Promise<void> {
    const native = await this.#native?.catch(() => undefined);
    await native?.close();
  }
}

interface Finer {
  /** Each finer than the one before; the last is 32-true. */
  models: FinerModel[];
  /** [models]: of the own scores, and of each model's but the last. */
  bounds: ErrorBound[];
}

/**
 * A model's scores in 32-true beside its own, see `refineTop`. Where `bf16-mixed` is computed in something between the two,
 * which is faster than float32, most documents need no more than that.
 */
export class FinerScores {
  readonly #parts: Parts;
  #finer: Promise<Finer> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** See `CrossEncoder.errorBounds`. */
  async errorBounds(
    pairs: () => AsyncIterable<TextPair>,
    signal: AbortSignal | undefined,
  ): Promise<ErrorBounds | undefined> {
    const { native: own, scoreIn } = this.#parts;
    if (own.precision === 'float32') return [];
    const finer = await this.#open();
    if (finer.bounds.some(({ isFinal }) => !isFinal)) {
      const sample: TextPair[] = [];
      for await (const pair of pairs()) if (sample.push(pair) === PAIRS_WANTED) break;
      // a small run has no more to say the next time
      if (finer.bounds.some((bound) => bound.pairs < sample.length))
        await this.#measure(finer, sample, await scoreIn(own, sample, signal), signal);
    }
    return valuesOf(finer.bounds);
  }

  /**
   * @param scores [documents]
   * @returns scores [documents], of which the best K are those of 32-true
   */
  async refine(
    scores: ArrayLike<number>,
    topK: number,
    { pairsOf, valueOf, bounds: fixed, signal }: RefineWork,
  ): Promise<{ scores: ArrayLike<number>; counts: RefinedCounts | undefined }> {
    const { checkpoint, native: own, warn, scoreIn } = this.#parts;
    if (own.precision === 'float32') return { scores, counts: undefined };
    const finer = await this.#open();
    const valuesIn = (indices: readonly number[], found: Float32Array): number[] => {
      let at = 0;
      return indices.map((index) => valueOf(index, found.subarray(at, (at += pairsOf(index).length))));
    };
    const documents = scores.length;
    // another host's may be of other arithmetics
    const bounds = fixed?.length === finer.models.length ? fixed : valuesOf(finer.bounds);
    if (bounds === undefined) {
      const all = Array.from(scores, (_, index) => index);
      const pairs = all.flatMap(pairsOf);
      const fine = await this.#measure(finer, pairs, await scoreIn(own, pairs, signal), signal);
      const counts = { documents, rescored: documents, inFloat32: documents, bound: undefined, exceeded: 0 };
      return { scores: valuesIn(all, fine), counts };
    }
    const refined = await refineTop(scores, {
      topK,
      bound: bounds[0]!,
      stages: finer.models.map(({ native }, i) => ({
        bound: bounds[i + 1] ?? 0,
        score: async (indices) => valuesIn(indices, await scoreIn(await native, indices.flatMap(pairsOf), signal)),
      })),
    });
    const again = refined.rescored.map(pairsOf);
    // the mean of a document's passages is off by less than they are
    if (fixed === undefined && again.every(({ length }) => length === 1))
      await finer.bounds[0]!.add(again.flat(), refined.errors[0]!.largest);
    for (const [i, { largest, exceeded }] of refined.errors.entries()) {
      if (exceeded === 0) continue;
      const { arithmetic } = finer.bounds[i]!;
      warn(
        `${checkpoint.name}: a score in ${arithmetic} was off by ${largest.toPrecision(2)}, more than the bound of ` +
          `${bounds[i]!.toPrecision(2)}; the bound is raised, and the documents were looked at again`,
      );
      await finer.bounds[i]!.raise(largest, exceeded);
    }
    const exceeded = refined.errors.reduce((sum, of) => sum + of.exceeded, 0);
    const { rescored, inLast: inFloat32 } = refined;
    return {
      scores: refined.scores,
      counts: { documents, rescored: rescored.length, inFloat32, bound: bounds[0], exceeded },
    };
  }

  async close(): Promise<void> {
    const finer = await this.#finer?.catch(() => undefined);
    await Promise.all(finer?.models.map((model) => model.close()) ?? []);
  }

  /**
   * Scores pairs in all arithmetics.
   *
   * @param own their scores
   * @returns those in 32-true
   */
  async #measure(
    { models, bounds }: Finer,
    pairs: readonly TextPair[],
    own: Float32Array,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const scores = [own];
    for (const { native } of models) scores.push(await this.#parts.scoreIn(await native, pairs, signal));
    const fine = scores.at(-1)!;
    for (const [i, bound] of bounds.entries()) await bound.add(pairs, largestDifference(scores[i]!, fine));
    return fine;
  }

  #open(): Promise<Finer> {
    this.#finer ??= this.#plan();
    this.#finer.catch(() => (this.#finer = undefined)); // the next call tries again
    return this.#finer;
  }

  async #plan(): Promise<Finer> {
    const { checkpoint, engine, binding, arithmetic: own } = this.#parts;
    const { encoder } = checkpoint;
    const { device } = engine;
    const choice = (asked: 'bfloat16' | 'float32') =>
      chooseArithmetic(binding, { device, asked, encoder, work: 'scoring' });
    const [between, last] = await Promise.all([choice('bfloat16'), choice('float32')]);
    const middle = finestAround(between); // the finer, the fewer documents are left in doubt
    const finer = isFiner(middle, own) && isFiner(last, middle) ? [middle, last] : [last];
    const on = `by ${binding.info().kernels} on ${device}`;
    return {
      models: finer.map((arithmetic) => new FinerModel(() => this.#load(arithmetic))),
      bounds: await Promise.all(
        [own, ...finer.slice(0, -1)].map((of) => ErrorBound.of(checkpoint, `${nameOf(of)} ${on}`, nameOf(last))),
      ),
    };
  }

  async #load(arithmetic: Arithmetic): Promise<NativeModel> {
    const { checkpoint, engine, binding } = this.#parts;
    const { encoder, head, tensors } = checkpoint;
    const { threads } = binding.info();
    try {
      const options = { encoder, head, ...engine.native, ...nativeArithmetic(arithmetic), threads };
      return await binding.createModel(options, tensors);
    } catch (error) {
      throw fromNative(error);
    }
  }
}

/** Between the own scores and float32 errors are so small that a wide bound costs little. */
const WIDER = 2;

/** Undefined until all are known. */
function valuesOf(bounds: readonly ErrorBound[]): number[] | undefined {
  const values = bounds.flatMap(({ value }, i) => (value === undefined ? [] : i === 0 ? value : WIDER * value));
  return values.length === bounds.length ? values : undefined;
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, score, i) => Math.max(largest, Math.abs(score - b[i]!) || 0), 0);
}
