import { createHash } from 'node:crypto';
import { z } from 'zod';
import { KeptValue } from '../io/kept.js';
import { packageVersion } from '../io/package-version.js';
import type { Checkpoint } from '../models/checkpoint.js';
import { fingerprintModel, modelSettings } from '../models/fingerprint.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';
import { SAFETY } from './refine.js';

/** Pairs whose error must have been seen before a bound follows from it. */
const PAIRS_FOR_BOUND = 256;
/** With so many the bound is final. */
export const PAIRS_WANTED = 1024;
/** How many times the largest error a bound is while fewer pairs were seen. With more the largest itself grows. */
const SAFETY_OF_FEW = 3;

const kept = z.object({
  model: z.string(),
  weights: z.string(),
  /** What the scores were computed in, and the finer arithmetic that they were compared with. */
  arithmetic: z.string(),
  finer: z.string(),
  pairs: z.int().min(PAIRS_FOR_BOUND),
  largestError: z.number().min(0),
  /** How often a bound was found too small, and raised. */
  exceeded: z.int().min(0),
  measured: z.string(),
});

type Facts = Pick<z.input<typeof kept>, 'model' | 'weights' | 'arithmetic' | 'finer'>;

/**
 * The most that a model's scores are taken to be off from those of a finer arithmetic: three times the largest error over the first 256
 * pairs, and twice the largest over 1,024. It is measured once for weights, arithmetic and release, and kept in
 * the cache folder. No sample proves a bound: each score that is computed in both ways is one more test of it, and an
 * error above it raises it for good.
 */
export class ErrorBound {
  readonly #file: KeptValue<typeof kept>;
  readonly #facts: Facts;
  /** Pairs that were seen while the bound was not final: the same ones again say nothing new. */
  #seen = new Set<string>();
  #pairs = 0;
  #largest = 0;
  #exceeded = 0;

  private constructor(file: KeptValue<typeof kept>, facts: Facts) {
    this.#file = file;
    this.#facts = facts;
  }

  /** @param arithmetic with everything that its scores depend on: the kernels, too */
  static async of(checkpoint: Checkpoint, arithmetic: string, finer: string): Promise<ErrorBound> {
    const { weights } = await fingerprintModel(checkpoint);
    const { encoder, name } = checkpoint;
    const parts = [packageVersion(), weights, encoder, modelSettings(checkpoint), arithmetic, finer];
    const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
    const file = new KeptValue(`error-bounds/${hash}.json`, kept);
    const bound = new ErrorBound(file, { model: name, weights, arithmetic, finer });
    bound.#take(await file.read());
    return bound;
  }

  get arithmetic(): string {
    return this.#facts.arithmetic;
  }

  /** Undefined until enough pairs were seen. */
  get value(): number | undefined {
    if (this.#pairs < PAIRS_FOR_BOUND) return undefined;
    return (this.isFinal ? SAFETY : SAFETY_OF_FEW) * this.#largest;
  }

  /** Pairs that it follows from. */
  get pairs(): number {
    return this.#pairs;
  }

  get isFinal(): boolean {
    return this.#pairs >= PAIRS_WANTED;
  }

  /** Adds what was seen before the bound is final; it is kept when it is the first one and when it is final, or one that another process kept. */
  async add(pairs: readonly TextPair[], largestError: number): Promise<void> {
    if (this.isFinal) return;
    const before = this.value;
    for (const { query, document } of pairs) this.#seen.add(JSON.stringify([query, document]));
    this.#pairs = Math.max(this.#pairs, this.#seen.size);
    this.#largest = Math.max(this.#largest, largestError);
    if (this.isFinal) {
      this.#seen.clear();
      const found = await this.#file.read();
      if (found !== undefined && found.pairs >= PAIRS_WANTED) this.#take(found);
      else await this.#file.replace(this.#content());
    } else if (before === undefined && this.value !== undefined) {
      this.#take(await this.#file.keep(this.#content()));
    }
  }

  /** Raises the bound after errors above it. */
  async raise(largestError: number, times: number): Promise<void> {
    this.#exceeded += times;
    this.#largest = Math.max(this.#largest, largestError);
    // a bound that another rank measured
    if (this.value !== undefined) await this.#file.replace(this.#content());
  }

  #content(): z.input<typeof kept> {
    const measured = new Date().toISOString();
    return { ...this.#facts, pairs: this.#pairs, largestError: this.#largest, exceeded: this.#exceeded, measured };
  }

  #take(found: z.output<typeof kept> | undefined): void {
    if (found === undefined) return;
    this.#pairs = found.pairs;
    this.#largest = found.largestError;
    this.#exceeded = found.exceeded;
  }
}
