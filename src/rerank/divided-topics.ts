import { setTimeout as sleep } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import type { RankGroup } from '../ranks/rank-group.js';

/** How often rank 0 looks for finished topics. */
const POLL_MS = 50;

/** A topic that is finished. */
interface FinishedTopic {
  /** Its position among the topics of the run. */
  position: number;
  /** Its lines. */
  text: string;
  pairs: number;
}

/**
 * The topics of a run that several ranks score. Each takes the next one that nobody has taken, so that none waits long for
 * the others at the end. Finished ones go to rank 0, which keeps them in its journal.
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

  /** The positions that this rank is to score. */
  async *take(): AsyncGenerator<number, void, undefined> {
    for (;;) {
      const taken = await this.#group.add(`${this.#name}/taken`, 1);
      const position = this.#positions[taken - 1];
      if (position === undefined) return;
      yield position;
    }
  }

  /** Sends a finished topic to rank 0. */
  async send(topic: FinishedTopic): Promise<void> {
    const number = await this.#group.add(`${this.#name}/sent`, 1);
    await this.#group.put(`${this.#name}/${number}`, serialize(topic));
  }

  /** On rank 0: the topics of other ranks, until `isDone` or an abort. */
  async *receive(isDone: () => boolean): AsyncGenerator<FinishedTopic, void, undefined> {
    for (let number = 1; !isDone();) {
      const bytes = await this.#group.take(`${this.#name}/${number}`);
      if (bytes === undefined) {
        await sleep(POLL_MS);
        continue;
      }
      number += 1;
      yield deserialize(bytes) as FinishedTopic;
    }
  }
}
