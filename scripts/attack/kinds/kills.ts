import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeLongCollection } from '../../../test/support/collections.js';
import { KilledProgram } from '../killed.js';
import { Broken, type Kind } from '../kind.js';

const NAME = '__bm25__tiny-set.run';
/** Long enough to be killed in each phase. */
const TOPICS = 1000;

/** One command, killed up to three times and started again: the bytes of an undisturbed run, and nothing beside them. */
export const kind: Kind = {
  name: 're_rank killed at any moments',
  tries: { full: 60, short: 2 },
  seconds: 600,
  async open({ api, command, folder }) {
    await writeLongCollection(folder, TOPICS);
    const out = join(folder, 'out');
    const program = new KilledProgram(
      [...command, 're_rank', '--config', 'config.yaml', '--trainer.callbacks+=ReRankCallback'],
      folder,
    );
    const milliseconds = await program.run(['--trainer.callbacks.save_dir=whole']);
    const expected = readFileSync(join(folder, 'whole', NAME));

    return async (random, index) => {
      rmSync(out, { recursive: true, force: true });
      // with overwrite the old run stays until the new one is whole
      const overwrite = random.below(2) === 0 ? ['--trainer.callbacks.overwrite=true'] : [];
      const argv = ['--trainer.callbacks.save_dir=out', ...overwrite];
      for (let kills = 1 + random.below(3); kills > 0; kills--) {
        await program.kill(argv, random, milliseconds);
        const run = join(out, NAME);
        if (existsSync(run) && !readFileSync(run).equals(expected)) throw new Broken('a run is under its name in part');
      }
      await program.run(argv);
      if (!readFileSync(join(out, NAME)).equals(expected)) throw new Broken('the run is another one');
      const left = readdirSync(out).sort().join();
      if (left !== `${NAME},${NAME}.json`) throw new Broken(`${left} is left`);
      if (index % 2 === 0) return;
      const registry = new api.DatasetRegistry();
      const data = (name: string): string => join(folder, 'data', name);
      registry.register('tiny-set', { docs: data('docs.tsv'), queries: data('queries.tsv') });
      // another result is never taken for this one
      const runs = [{ runPathOrId: data(NAME), depth: 3 }];
      await api.rerankRuns({ model: join(folder, 'mono-rank'), runs, registry, saveDir: out });
      throw new Broken('a run of depth 3 was taken for this one');
    };
  },
};
