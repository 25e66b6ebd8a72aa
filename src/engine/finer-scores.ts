import type { DeviceBinding, NativeModel } from '../../binding.js';
import type { Checkpoint } from '../models/checkpoint.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';
import type { ResolvedEngine } from './engine-options.js';
import { ErrorBound, PAIRS_FOR_BOUND } from './error-bound.js';
import { fromNative } from './native-error.js';
import { refineTop } from './refine.js';

/** How many documents were scored again in the finer arithmetic. */
export interface RefinedCounts {
  documents: number;
  rescored: number;
  /** What a score was taken to be off at most; undefined: not known yet, and everything was scored again. */
  bound: number | undefined;
  /** Scores that were off by more. The bound was raised and the documents looked at again; 0 where the bound holds. */
  exceeded: number;
}

/** How documents become pairs, and pairs' scores those of documents. */
interface RefineWork {
  /** Instead of the model's own. */
  bound?: number | undefined;
  signal?: AbortSignal | undefined;
  pairsOf: (index: number) => readonly TextPair[];
  valueOf: (index: number, finer: Float32Array) => number;
}

interface Parts {
  checkpoint: Checkpoint;
  engine: ResolvedEngine;
  binding: DeviceBinding;
  native: NativeModel;
  warn: (message: string) => void;
  scoreIn: (model: NativeModel, pairs: readonly TextPair[], signal: AbortSignal | undefined) => Promise<Float32Array>;
}

/** The same weights in the finer arithmetic. */
interface Finer {
  native: NativeModel;
  bound: ErrorBound;
}

/** A model's scores in 32-true beside its own, see `refineTop`. */
export class FinerScores {
  readonly #parts: Parts;
  #finer: Promise<Finer> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** See `CrossEncoder.errorBound`. */
  async errorBound(pairs: () => AsyncIterable<TextPair>, signal: AbortSignal | undefined): Promise<number | undefined> {
    const { native: own, scoreIn } = this.#parts;
    if (own.precision === 'float32') return 0;
    const { native, bound } = await this.#open();
    if (bound.value !== undefined) return bound.value;
    const sample: TextPair[] = [];
    for await (const pair of pairs()) if (sample.push(pair) === PAIRS_FOR_BOUND) break;
    const coarse = await scoreIn(own, sample, signal);
    const fine = await scoreIn(native, sample, signal);
    await bound.add(sample, largestDifference(coarse, fine));
    return bound.value;
  }

  /**
   * @param scores [documents]
   * @returns scores [documents], of which the best K are those of 32-true
   */
  async refine(
    scores: ArrayLike<number>,
    topK: number,
    { pairsOf, valueOf, bound: fixed, signal }: RefineWork,
  ): Promise<{ scores: ArrayLike<number>; counts: RefinedCounts | undefined }> {
    const { checkpoint, native: own, warn, scoreIn } = this.#parts;
    if (own.precision === 'float32') return { scores, counts: undefined };
    const { native, bound } = await this.#open();
    const width = fixed ?? bound.value;
    const all: TextPair[] = [];
    const refined = await refineTop(scores, {
      topK,
      bound: width,
      finer: async (indices) => {
        const pairs = indices.map(pairsOf);
        const flat = pairs.flat();
        for (const pair of flat) all.push(pair);
        const found = await scoreIn(native, flat, signal);
        let at = 0;
        return indices.map((index, i) => valueOf(index, found.subarray(at, (at += pairs[i]!.length))));
      },
    });
    const { largestError, exceeded, rescored } = refined;
    if (width === undefined) await bound.add(all, largestError);
    if (exceeded > 0) {
      warn(
        `${checkpoint.name}: a score in ${own.precision} was off by ${largestError.toPrecision(2)}, more than the bound of ` +
          `${width!.toPrecision(2)}; the bound is raised, and the documents were looked at again`,
      );
      await bound.raise(largestError, exceeded);
    }
    const counts = { documents: scores.length, rescored: rescored.length, bound: width, exceeded };
    return { scores: refined.scores, counts };
  }

  async close(): Promise<void> {
    const finer = await this.#finer?.catch(() => undefined);
    await finer?.native.close();
  }

  /** Loads the weights once more, in 32-true, when they are first needed. */
  #open(): Promise<Finer> {
    this.#finer ??= this.#load();
    this.#finer.catch(() => (this.#finer = undefined)); // the next call tries again
    return this.#finer;
  }

  async #load(): Promise<Finer> {
    const { checkpoint, engine, binding, native: own } = this.#parts;
    const { encoder, head, tensors } = checkpoint;
    const { threads, kernels } = binding.info();
    const arithmetic = `${own.precision} by ${kernels} on ${engine.device}`;
    const [bound, native] = await Promise.all([
      ErrorBound.of(checkpoint, arithmetic, 'float32'),
      binding
        .createModel({ encoder, head, ...engine.native, precision: 'float32', threads }, tensors)
        .catch((error: unknown) => Promise.reject(fromNative(error))),
    ]);
    return { native, bound };
  }
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, score, i) => Math.max(largest, Math.abs(score - b[i]!) || 0), 0);
}
