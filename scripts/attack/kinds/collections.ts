import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Broken, type Kind } from '../kind.js';
import { mutateBytes, mutateJson, pick } from '../mutate.js';

const IDS = Array.from({ length: 30 }, (_, i) => `d${i * 7}`);
const TSV = Buffer.from(IDS.map((id) => `${id}\tthe text of ${id} é\n`).join(''));
const RECORDS = IDS.map((id) => ({ _id: id, title: 'A title', text: `the text of ${id}` }));

export const kind: Kind = {
  name: 'mutated collections and queries',
  tries: { full: 20_000, short: 200 },
  open({ api, folder }) {
    return async (random) => {
      const [suffix, bytes] = pick<() => [string, string | Buffer]>(random, [
        () => ['.tsv', mutateBytes(random, TSV)],
        () => ['.tsv.gz', gzipSync(mutateBytes(random, TSV))],
        () => ['.tsv.gz', mutateBytes(random, gzipSync(TSV))],
        () => ['.jsonl', RECORDS.map((record) => mutateJson(random, record)).join('\n')],
        () => ['.jsonl', mutateBytes(random, Buffer.from(RECORDS.map((record) => JSON.stringify(record)).join('\n')))],
        () => ['', mutateBytes(random, TSV)],
      ])();
      const path = join(folder, `collection${suffix}`);
      writeFileSync(path, bytes);
      const expected = new Map<string, string>();
      const index = join(folder, 'index');
      try {
        for await (const { id, text } of api.readDocuments(path)) expected.set(id, text);
        await using store = await api.CollectionStore.open(path, { folder: index });
        const ids = [...expected.keys()];
        const texts = await store.getTexts(ids);
        const wrong = ids.find((id, i) => texts[i] !== expected.get(id));
        if (wrong !== undefined) throw new Broken(`${suffix}: another text for '${wrong}'`);
      } finally {
        rmSync(index, { recursive: true, force: true });
      }
    };
  },
};
