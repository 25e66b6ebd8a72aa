import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { modelFolder } from '../../../test/support/models.js';
import { publicData, tar } from '../../../test/support/public-data.js';
import { addRepository } from '../../../test/support/web-server.js';
import { KilledProgram } from '../killed.js';
import { Broken, type Kind } from '../kind.js';
import { pick } from '../mutate.js';

const COMMIT = 'a'.repeat(40);
const COLLECTION = 'msmarco-passage/collectionandqueries.tar.gz';
/** Some megabytes, which the server gives in as many pieces as take about as long as the program to start. */
const PASSAGES = 60_000;
const PIECE = 16_000;

/** The files below a folder with their contents, links followed. */
function contents(folder: string): Map<string, Buffer> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return new Map(
    names
      .filter((name) => statSync(join(folder, name)).isFile())
      .map((name) => [name, readFileSync(join(folder, name))]),
  );
}

/** Downloads of a model and of a dataset, killed and asked for again: what is there is whole, and nothing else is left. */
export const kind: Kind = {
  name: 'downloads killed at any moments',
  gives: ['worked'],
  tries: { full: 60, short: 2 },
  seconds: 600,
  async open({ command, folder }) {
    const home = join(folder, 'home');
    const model = modelFolder('mono-rank');
    const files = Object.fromEntries(readdirSync(model).map((name) => [name, readFileSync(join(model, name))]));
    const lines = Array.from({ length: PASSAGES }, (_, i) => `${i}\tpassage ${i} ${'word '.repeat(i % 30)}\n`).join('');
    const data = await publicData(folder, {
      [COLLECTION]: gzipSync(await tar({ 'collection.tsv': lines }), { level: 1 }),
    });
    addRepository(data.server, { id: 'o/m', commit: COMMIT, files });
    for (const path of data.server.files.keys()) data.server.fault(path, { kind: 'slow', piece: PIECE }, Infinity);
    for (const name of Object.keys(process.env)) if (/^HF_|_proxy$/i.test(name)) delete process.env[name];
    delete process.env['RANK_DISTILLM_OFFLINE'];
    Object.assign(process.env, {
      HF_ENDPOINT: data.server.url,
      HF_HOME: join(home, 'hf'),
      XDG_CACHE_HOME: home,
      IR_DATASETS_HOME: join(home, 'ir_datasets'),
      RANK_DISTILLM_DOWNLOADS: data.list,
    });
    const program = new KilledProgram(command, folder);
    const cases: { argv: string[]; milliseconds: number; whole: Map<string, Buffer> }[] = [];
    for (const argv of [
      ['models', 'get', 'o/m'],
      ['datasets', 'get', 'msmarco-passage'],
    ]) {
      rmSync(home, { recursive: true, force: true });
      cases.push({ argv, milliseconds: await program.run(argv), whole: contents(home) });
    }

    return async (random) => {
      const { argv, milliseconds, whole } = pick(random, cases);
      rmSync(home, { recursive: true, force: true });
      for (let kills = 1 + random.below(3); kills > 0; kills--) {
        await program.kill(argv, random, milliseconds);
        for (const [name, bytes] of whole) {
          const file = join(home, name);
          if (existsSync(file) && !readFileSync(file).equals(bytes)) throw new Broken(`${name} is there in part`);
        }
      }
      await program.run(argv);
      const found = contents(home);
      for (const [name, bytes] of whole) {
        if (found.get(name)?.equals(bytes) !== true) throw new Broken(`${name} is another one`);
      }
      const strange = [...found.keys()].filter((name) => !whole.has(name));
      if (strange.length > 0) throw new Broken(`${strange.join(', ')} is left`);
    };
  },
};
