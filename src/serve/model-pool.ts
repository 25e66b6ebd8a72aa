import type { CrossEncoder } from '../engine/cross-encoder.js';
import { nearestHint } from '../config/nearest.js';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import { onAbort } from '../io/on-abort.js';

/** A loaded model, in the order of last use. */
interface Slot {
  model: Promise<CrossEncoder>;
  users: number;
}

interface PoolOptions {
  /** Folder or id of each model by name; the first is the default. */
  models: ReadonlyMap<string, string>;
  maxLoaded: number;
  load: (nameOrPath: string) => Promise<CrossEncoder>;
  onLoaded?: (name: string, seconds: number) => void;
  onClosed?: (name: string) => void;
}

/** Models by name, loaded on first use. Those that were used least recently are closed to make room. */
export class ModelPool {
  readonly #options: PoolOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #closing = new Set<Promise<void>>();
  #waiting: (() => void)[] = [];

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  get names(): string[] {
    return [...this.#options.models.keys()];
  }

  get loaded(): string[] {
    return [...this.#slots.keys()];
  }

  /**
   * The name that a request means: the default where it gives none.
   *
   * @throws RankDistillmError `not_found`
   */
  resolve(name: string | undefined | null): string {
    const known = name ?? this.names[0]!;
    if (this.#options.models.has(known)) return known;
    throw new RankDistillmError('not_found', `model ${JSON.stringify(known)} is not served here`, {
      hint: nearestHint(known, this.names, 'model'),
    });
  }

  /** Runs `work` on a model, which stays open until it is done. Waits for a free place where all models are in use. */
  async use<T>(name: string, signal: AbortSignal, work: (model: CrossEncoder) => Promise<T>): Promise<T> {
    const slot = await this.#slot(name, signal);
    this.#slots.delete(name);
    this.#slots.set(name, slot); // used last
    slot.users += 1;
    try {
      return await work(await slot.model);
    } finally {
      slot.users -= 1;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  async close(): Promise<void> {
    for (const name of this.loaded) this.#end(name);
    await Promise.allSettled(this.#closing);
  }

  async #slot(name: string, signal: AbortSignal): Promise<Slot> {
    for (;;) {
      throwIfAborted(signal);
      const found = this.#slots.get(name);
      if (found) return found;
      if (this.#slots.size >= this.#options.maxLoaded) {
        const [idle] = [...this.#slots].find(([, { users }]) => users === 0) ?? [];
        if (idle !== undefined) this.#end(idle);
      }
      if (this.#slots.size < this.#options.maxLoaded) return this.#open(name);
      await this.#change(signal);
    }
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const forget = onAbort(signal, resolve);
      this.#waiting.push(() => {
        forget();
        resolve();
      });
    });
  }

  #open(name: string): Slot {
    const start = performance.now();
    const room = Promise.all(this.#closing); // of the model that made room
    const model = room.then(() => this.#options.load(this.#options.models.get(name)!));
    const slot: Slot = { model, users: 0 };
    this.#slots.set(name, slot);
    model.then(
      () => this.#options.onLoaded?.(name, (performance.now() - start) / 1000),
      () => {
        if (this.#slots.get(name) === slot) this.#slots.delete(name); // the next request tries again
      },
    );
    return slot;
  }

  #end(name: string): void {
    const slot = this.#slots.get(name)!;
    this.#slots.delete(name);
    const closing = slot.model.then(
      (model) => model.close().then(() => this.#options.onClosed?.(name)),
      () => undefined,
    );
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }
}
