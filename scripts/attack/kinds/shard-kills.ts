import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeLongCollection } from '../../../test/support/collections.js';
import { KilledProgram } from '../killed.js';
import { Broken, type Kind } from '../kind.js';

const NAME = '__bm25__tiny-set';
const SHARDS = [1, 2, 3];
const OUTPUT = `out/${NAME}.run`;

/** Shards and their merge, each killed and started again: the bytes of an undivided run. */
export const kind: Kind = {
  name: 'shards and merge killed at any moment',
  gives: ['worked'],
  tries: { full: 20, short: 1 },
  seconds: 600,
  async open({ command, folder }) {
    await writeLongCollection(folder, 1000);
    const program = new KilledProgram(command, folder);
    const reRank = ['re_rank', '--config', 'config.yaml', '--trainer.callbacks+=ReRankCallback'];
    const milliseconds = await program.run([...reRank, '--trainer.callbacks.save_dir=whole']);
    const expected = readFileSync(join(folder, 'whole', `${NAME}.run`));
    const merge = ['merge', ...SHARDS.map((shard) => `out/${NAME}.shard-0${shard}-of-03.run`)];

    return async (random) => {
      rmSync(join(folder, 'out'), { recursive: true, force: true });
      let mergeMilliseconds = milliseconds;
      for (const shard of SHARDS) {
        const argv = [...reRank, '--trainer.callbacks.save_dir=out', '--shard', `${shard}/${SHARDS.length}`];
        await program.kill(argv, random, milliseconds);
        mergeMilliseconds = await program.run(argv);
      }
      for (let kills = 0; kills < 2; kills++) {
        await program.kill(merge, random, mergeMilliseconds);
        const output = join(folder, OUTPUT);
        if (existsSync(output) && !readFileSync(output).equals(expected)) throw new Broken('a run in part');
      }
      await program.run(merge);
      if (!readFileSync(join(folder, OUTPUT)).equals(expected)) throw new Broken('the merged run is another one');
      const left = readdirSync(join(folder, 'out')).filter(
        (name) => !/\.shard-0[123]-of-03\.run(?:\.json)?$/.test(name),
      );
      if (left.sort().join() !== `${NAME}.run,${NAME}.run.json`) throw new Broken(`${left.join()} is left`);
    };
  },
};
