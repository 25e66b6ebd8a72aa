import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { writeCollection } from '../../../test/support/collections.js';
import { KilledProgram } from '../killed.js';
import { Broken, type Kind } from '../kind.js';
import { pick } from '../mutate.js';

/** Their index takes about as long to build as the program to start. */
const DOCUMENTS = 400_000;
const textOf = (i: number): string => `the text of ${i} ${'word '.repeat(i % 40)}`;

/** The build of a collection's index, killed: no file in part is taken for an index, and the next call builds it. */
export const kind: Kind = {
  name: 'building an index killed at any moment',
  gives: ['worked'],
  tries: { full: 40, short: 2 },
  seconds: 600,
  async open({ api, command, folder }) {
    await writeCollection(folder);
    const small = readFileSync(join(folder, 'data/docs.tsv'), 'utf8');
    const documents = small + Array.from({ length: DOCUMENTS }, (_, i) => `x${i}\t${textOf(i)}\n`).join('');
    writeFileSync(join(folder, 'data/docs.tsv'), documents);
    writeFileSync(join(folder, 'data/docs.tsv.gz'), gzipSync(documents, { level: 1 }));
    const cache = join(process.env['XDG_CACHE_HOME']!, 'rank-distillm/collections');
    const program = new KilledProgram([...command, 're_rank', '--config=config.yaml'], folder);
    const cases: { docs: string; argv: string[]; milliseconds: number; files: Map<string, Buffer> }[] = [];
    for (const docs of ['data/docs.tsv', 'data/docs.tsv.gz']) {
      const out = '{class_path: ReRankCallback, init_args: {overwrite: true, save_dir: out}}';
      const argv = [`--datasets.tiny-set.docs=${docs}`, `--trainer.callbacks+=${out}`];
      rmSync(cache, { recursive: true, force: true });
      const milliseconds = await program.run(argv);
      const files = new Map(readdirSync(cache).map((name) => [name, readFileSync(join(cache, name))]));
      cases.push({ docs, argv, milliseconds, files });
    }
    return async (random) => {
      const { docs, argv, milliseconds, files } = pick(random, cases);
      rmSync(cache, { recursive: true, force: true });
      await program.kill(argv, random, milliseconds);
      for (const [name, whole] of files) {
        const file = join(cache, name);
        if (existsSync(file) && !readFileSync(file).equals(whole))
          throw new Broken(`${name} is under its name in part`);
      }
      await using store = await api.CollectionStore.open(join(folder, docs));
      const ids = Array.from({ length: 50 }, () => random.below(DOCUMENTS));
      const texts = await store.getTexts(ids.map((i) => `x${i}`));
      const wrong = ids.find((id, i) => texts[i] !== textOf(id));
      if (wrong !== undefined) throw new Broken(`another text for x${wrong}`);
      const left = readdirSync(cache).sort().join();
      if (left !== [...files.keys()].sort().join()) throw new Broken(`${left} is left`);
    };
  },
};
