import { setImmediate } from 'node:timers/promises';
import { throwIfAborted } from '../errors.js';

/** Milliseconds of work between two turns of the event loop. */
const TURN_MS = 4;

/** When the event loop last had a turn. Of all pacers of the thread: many short calls in a row hold it up, too. */
let lastTurn = Number.NEGATIVE_INFINITY;

/** Splits long synchronous work so that the event loop stays free: `if (pacer.isDue()) await pacer.pause()`. */
export class Pacer {
  readonly #signal: AbortSignal | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  isDue(): boolean {
    return performance.now() - lastTurn > TURN_MS;
  }

  async pause(): Promise<void> {
    await setImmediate();
    throwIfAborted(this.#signal);
    lastTurn = performance.now();
  }
}
