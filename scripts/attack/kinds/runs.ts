import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kind } from '../kind.js';
import { mutateBytes, mutateJson, oddText, pick } from '../mutate.js';

const TREC = Buffer.from(Array.from({ length: 40 }, (_, i) => `q${i % 4} Q0 d${i} ${i} ${40 - i} bm25\n`).join(''));
const JSON_RUN = { q1: { d1: 3, d2: 2.5 }, q2: { d7: 1, d8: -1e-3 } };

export const kind: Kind = {
  name: 'mutated runs',
  tries: { full: 5000, short: 200 },
  open({ api, folder }) {
    return async (random) => {
      const format = pick(random, ['run', 'json', 'odd']);
      const path = join(folder, format === 'json' ? 'x.json' : 'x.run');
      if (format === 'run') writeFileSync(path, mutateBytes(random, TREC));
      else if (format === 'json') writeFileSync(path, mutateJson(random, JSON_RUN));
      else writeFileSync(path, `q1 Q0 ${oddText(random)} 1 0.5 bm25\n`);
      await api.readRun(path);
    };
  },
};
