import { setImmediate } from 'node:timers/promises';
import { throwIfAborted } from '../errors.js';

/** Milliseconds of work between two turns of the event loop. */
const TURN_MS = 4;

/** Splits long synchronous work so that the event loop stays free: `if (pacer.isDue()) await pacer.pause()`. */
export class Pacer {
  readonly #signal: AbortSignal | undefined;
  #since = performance.now();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  isDue(): boolean {
    return performance.now() - this.#since > TURN_MS;
  }

  async pause(): Promise<void> {
    await setImmediate();
    throwIfAborted(this.#signal);
    this.#since = performance.now();
  }
}
