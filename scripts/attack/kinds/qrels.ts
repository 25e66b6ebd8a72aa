import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kind } from '../kind.js';
import { mutateBytes } from '../mutate.js';

const ORIGINAL = Buffer.from(
  Array.from({ length: 40 }, (_, i) => `q${i % 4} 0 d${i} ${i % 3}\n`).join('') + 'q9 Q0 näheres -1\n',
);

export const kind: Kind = {
  name: 'mutated qrels',
  tries: { full: 5000, short: 200 },
  open({ api, folder }) {
    const path = join(folder, 'qrels.txt');
    return async (random) => {
      writeFileSync(path, mutateBytes(random, ORIGINAL));
      await api.readQrels(path);
    };
  },
};
