import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeCollection } from '../../../test/support/collections.js';
import { Broken, type Kind } from '../kind.js';

const NAME = '__bm25__tiny-set.run';

export const kind: Kind = {
  name: 're_rank killed at any moment',
  tries: { full: 60, short: 2 },
  seconds: 120,
  async open({ api, command, folder }) {
    await writeCollection(folder);
    const input = join(folder, 'data', NAME);
    // long enough to be killed in each phase
    const lines = readFileSync(input, 'utf8').trimEnd().split('\n');
    const topics = Array.from({ length: 300 }, (_, topic) =>
      lines.slice(0, 6).map((line) => line.replace('q0', `t${topic}`)),
    );
    writeFileSync(
      input,
      topics
        .flat()
        .map((line) => `${line}\n`)
        .join(''),
    );
    const query = readFileSync(join(folder, 'data/queries.tsv'), 'utf8').split('\t')[1]!.split('\n')[0]!;
    writeFileSync(
      join(folder, 'data/queries.tsv'),
      topics.map((_, topic) => `t${topic}\t${query} ${topic}\n`).join(''),
    );
    writeFileSync(join(folder, 'data/test.qrels'), topics.map((_, topic) => `t${topic} 0 d0 1\n`).join(''));
    const out = join(folder, 'out');
    const argv = ['re_rank', '--config', 'config.yaml', '--trainer.callbacks+=ReRankCallback'];
    const start = (saveDir: string) =>
      spawn(command[0]!, [...command.slice(1), ...argv, `--trainer.callbacks.save_dir=${saveDir}`], {
        cwd: folder,
        stdio: 'ignore',
      });
    const began = performance.now();
    await once(start('whole'), 'close');
    const milliseconds = performance.now() - began;
    const expected = readFileSync(join(folder, 'whole', NAME));

    return async (random, index) => {
      rmSync(out, { recursive: true, force: true });
      const killed = start('out');
      const closed = once(killed, 'close');
      await sleep(random.float() * milliseconds);
      killed.kill('SIGKILL');
      await closed;
      const run = join(out, NAME);
      if (existsSync(run) && !readFileSync(run).equals(expected)) throw new Broken('a run is under its name in part');
      // a run without its record, killed between the two, is refused until it is asked to be replaced
      if (existsSync(run) && !existsSync(`${run}.json`)) rmSync(run);
      const [code] = (await once(start('out'), 'close')) as [number];
      if (code !== 0 || !readFileSync(run).equals(expected)) throw new Broken(`the next run ended with ${code}`);
      const left = readdirSync(out).sort().join();
      if (left !== `${NAME},${NAME}.json`) throw new Broken(`${left} is left`);
      if (index % 2 === 0) return;
      const registry = new api.DatasetRegistry();
      const data = (name: string): string => join(folder, 'data', name);
      registry.register('tiny-set', { docs: data('docs.tsv'), queries: data('queries.tsv') });
      // another result is never taken for this one
      const runs = [{ runPathOrId: input, depth: 3 }];
      await api.rerankRuns({ model: join(folder, 'mono-rank'), runs, registry, saveDir: out });
      throw new Broken('a run of depth 3 was taken for this one');
    };
  },
};
