import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Broken, type Kind } from '../kind.js';
import { mutateBytes, pick } from '../mutate.js';

const textOf = (i: number): string => `the text of ${i} ${'word '.repeat(i % 40)}`;
const TSV = Array.from({ length: 2000 }, (_, i) => `d${i}\t${textOf(i)}\n`).join('');

export const kind: Kind = {
  name: 'damaged cache indexes',
  tries: { full: 1000, short: 20 },
  open({ api, folder }) {
    const collections = [join(folder, 'docs.tsv'), join(folder, 'docs.tsv.gz')];
    writeFileSync(collections[0]!, TSV);
    writeFileSync(collections[1]!, gzipSync(TSV));
    const cache = join(folder, 'index');
    const read = async (path: string, damage?: () => void): Promise<void> => {
      await using store = await api.CollectionStore.open(path, { folder: cache });
      damage?.();
      for (let i = 3; i < 2000; i += 97) {
        if (!store.has(`d${i}`)) throw new Broken(`d${i} is missing`);
        const [text] = await store.getTexts([`d${i}`]);
        if (text !== textOf(i)) throw new Broken(`another text for d${i}: ${text}`);
      }
      if (store.has('d2000')) throw new Broken('a document that there is not');
    };
    return async (random) => {
      const path = pick(random, collections);
      await read(path); // builds it after the try before
      const name = pick(
        random,
        readdirSync(cache).filter((file) => /^docs.tsv.*\.(index|plain)$/.test(file)),
      );
      const file = join(cache, name);
      const whole = readFileSync(file);
      const damaged = pick(random, [
        () => mutateBytes(random, whole),
        () => whole.subarray(0, random.below(whole.length + 1)),
        () => Buffer.from(whole).fill(0, random.below(whole.length + 1)),
        () => Buffer.alloc(random.below(2 * whole.length + 1)),
      ])();
      const damage = (): void => writeFileSync(file, damaged);
      // before it is opened, or while it is open
      if (random.below(2) === 0) {
        damage();
        await read(path);
      } else {
        await read(path, damage);
      }
    };
  },
};
