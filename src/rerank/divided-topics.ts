import { setTimeout as sleep } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import type { RankingSample } from '../data/records.js';
import type { ScoredDocument } from '../data/write-run.js';
import { RankDistillmError } from '../errors.js';
import { onAbort } from '../io/on-abort.js';
import type { RankGroup } from '../ranks/rank-group.js';
import { scoreSamples, type Counts, type SampleWork } from './rerank.js';

/** How often rank 0 looks for finished topics. */
const POLL_MS = 50;
/** How often each rank looks whether all topics are finished. */
const LOOK_MS = 250;

/** A topic that is finished. */
export interface FinishedTopic {
  /** Its position among the topics of the run. */
  position: number;
  /** Its lines. */
  text: string;
  scored: Counts;
}

/** What scoring topics needs besides them. */
export interface DividedWork extends Pick<SampleWork, 'model' | 'signal' | 'refine'> {
  /** The topic at a position of the run. */
  sampleOf: (position: number) => AsyncIterable<RankingSample>;
  textOf: (queryId: string, documents: readonly ScoredDocument[]) => string;
}

/**
 * The topics of a run that several ranks score. Each takes the next one that nobody has taken. A rank has taken some more
 * than it is scoring; so, when there are none left, the others score those, too, and of two results, which are the same, the
 * first counts. Finished topics go to rank 0, which keeps them in its journal. A topic counts as finished only when rank 0
 * can have it, so that a rank may hang at any moment.
 */
export class DividedTopics {
  readonly #group: RankGroup;
  readonly #name: string;
  readonly #positions: readonly number[];

  /**
   * @param name of the run among all that these ranks score
   * @param positions to score; the same list on all ranks
   */
  constructor(group: RankGroup, name: string, positions: readonly number[]) {
    this.#group = group;
    this.#name = name;
    this.#positions = positions;
  }

  /**
   * Scores topics until all are finished by one rank or another; passes on those that no other rank has finished. Two ranks
   * may pass on the same one.
   */
  async score(work: DividedWork, onTopic: (topic: FinishedTopic) => Promise<void>): Promise<void> {
    const { model, signal, refine, sampleOf, textOf } = work;
    const over = new AbortController();
    const forget = signal && onAbort(signal, () => over.abort());
    const looking = setInterval(() => {
      this.#isOver().then(
        (isOver) => isOver && over.abort(),
        () => undefined, // other calls report what failed
      );
    }, LOOK_MS);
    const scoreAll = async (positions: AsyncIterable<number>): Promise<void> => {
      const taken: number[] = [];
      async function* samples(): AsyncGenerator<RankingSample> {
        for await (const position of positions) {
          taken.push(position);
          yield* sampleOf(position);
        }
      }
      const all = { model, samples: samples(), signal: over.signal, totalPairs: 0, refine };
      await scoreSamples(all, async (queryId, documents, scored) => {
        const position = taken.shift()!;
        if (await this.#isFinished(position)) return;
        await onTopic({ position, text: textOf(queryId, documents), scored });
        await this.#finish(position);
      });
    };
    try {
      await scoreAll(this.#take());
      // one after the other, so that a rank begins at once, and does not take what it cannot begin
      for (let more = true; more;) {
        const position = await this.#takeBegun();
        more = position !== undefined;
        if (position !== undefined) await scoreAll(listed(position));
      }
    } catch (error) {
      const isOver = over.signal.aborted && signal?.aborted !== true;
      if (!isOver || !(error instanceof RankDistillmError) || error.code !== 'aborted') throw error;
    } finally {
      clearInterval(looking);
      forget?.();
    }
  }

  /** Sends a finished topic to rank 0. */
  async send(topic: FinishedTopic): Promise<void> {
    const number = await this.#add('sent', 1);
    await this.#group.put(`${this.#name}/${number}`, serialize(topic));
  }

  /** On rank 0: the topics of other ranks, perhaps more than once, until `isDone` or an abort. */
  async *receive(isDone: () => boolean): AsyncGenerator<FinishedTopic, void, undefined> {
    const expected = new Set<number>(); // a rank that hangs may have taken a number and not put its topic there
    let known = 0;
    while (!isDone()) {
      const sent = await this.#add('sent', 0);
      while (known < sent) expected.add(++known);
      let received = 0;
      for (const number of expected) {
        const bytes = await this.#group.take(`${this.#name}/${number}`);
        if (bytes === undefined) continue;
        expected.delete(number);
        received += 1;
        yield deserialize(bytes) as FinishedTopic;
      }
      if (received === 0) await sleep(POLL_MS);
    }
  }

  /** The positions that this rank is the first to take. */
  async *#take(): AsyncGenerator<number, void, undefined> {
    for (;;) {
      const position = this.#positions[(await this.#add('taken', 1)) - 1];
      if (position === undefined) return;
      yield position;
    }
  }

  /** A position that another rank has taken and not finished, from the last one on; undefined if there is none left. */
  async #takeBegun(): Promise<number | undefined> {
    for (;;) {
      if (await this.#isOver()) return undefined;
      const position = this.#positions.at(-(await this.#add('taken again', 1)));
      if (position === undefined) return undefined;
      if (!(await this.#isFinished(position))) return position;
    }
  }

  async #isFinished(position: number): Promise<boolean> {
    return (await this.#add(`finished ${position}`, 0)) > 0;
  }

  async #finish(position: number): Promise<void> {
    if ((await this.#add(`finished ${position}`, 1)) === 1) await this.#add('finished', 1);
  }

  async #isOver(): Promise<boolean> {
    return (await this.#add('finished', 0)) === this.#positions.length;
  }

  #add(counter: string, number: number): Promise<number> {
    return this.#group.add(`${this.#name}/${counter}`, number);
  }
}

async function* listed<T>(...items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
