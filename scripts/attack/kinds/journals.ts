import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeLongCollection } from '../../../test/support/collections.js';
import { Broken, type Kind } from '../kind.js';
import { mutateBytes, pick } from '../mutate.js';

const NAME = '__bm25__tiny-set.run';
/** Long enough that windows of pairs end before the last topic. */
const TOPICS = 400;

/** Journals of an interrupted re_rank, damaged: the next call refuses or cuts them, and its run is that of an undisturbed one. */
export const kind: Kind = {
  name: 'damaged journals',
  gives: ['worked'], // few edits hit the name of the format
  tries: { full: 1000, short: 5 },
  seconds: 60,
  async open({ api, folder }) {
    await writeLongCollection(folder, TOPICS);
    const registry = new api.DatasetRegistry();
    const data = (name: string): string => join(folder, 'data', name);
    registry.register('tiny-set', { docs: data('docs.tsv'), queries: data('queries.tsv') });
    const output = join(folder, 'out', NAME);
    const journal = join(folder, 'out', `.${NAME}.partial`);
    const rerank = (signal?: AbortSignal) =>
      api.rerankRuns({
        model: join(folder, 'mono-rank'),
        runs: [{ runPathOrId: data(NAME) }],
        registry,
        saveDir: join(folder, 'out'),
        signal,
        onWarning: () => undefined,
      });
    await rerank();
    const expected = readFileSync(output);
    rmSync(output);
    const controller = new AbortController();
    const timer = setInterval(() => {
      if ((statSync(journal, { throwIfNoEntry: false })?.size ?? 0) > 60_000) controller.abort();
    }, 1);
    await rerank(controller.signal).catch(() => undefined);
    clearInterval(timer);
    const whole = readFileSync(journal);
    return async (random) => {
      const record = whole.indexOf('# topic ', random.below(whole.length));
      const damaged = pick(random, [
        () => mutateBytes(random, whole),
        () => whole.subarray(0, random.below(whole.length + 1)),
        () => Buffer.from(whole).fill(0, random.below(whole.length + 1)),
        // zeros and records that are missing or there twice, as after a crash of the file system
        () => Buffer.concat([whole, Buffer.alloc(random.below(10_000))]),
        () => Buffer.concat([whole.subarray(0, record), whole.subarray(whole.indexOf('# topic ', record + 1))]),
        () => Buffer.concat([whole, whole.subarray(record)]),
      ])();
      rmSync(output, { force: true });
      writeFileSync(journal, damaged);
      await rerank();
      if (!readFileSync(output).equals(expected)) throw new Broken('the run is another one');
      if (existsSync(journal)) throw new Broken('the journal is left');
    };
  },
};
