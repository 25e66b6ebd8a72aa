import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Broken, type Kind } from '../../scripts/attack/kind.js';

/** A kind whose tries break every promise, one after the other: what the attack has to notice. */
export const kind: Kind = {
  name: 'planted faults',
  tries: { full: 7, short: 7 },
  seconds: 2,
  megabytes: 600,
  open({ api, folder }) {
    return (_random, index) => {
      if (index === 1) throw new api.RankDistillmError('bad_input', 'refused');
      if (index === 2) throw new Broken('another text');
      if (index === 3) (undefined as unknown as { text: string }).text.trim();
      if (index === 4) process.abort();
      if (index === 5) for (;;) writeFileSync(`${folder}/busy`, '');
      if (index === 6) for (let held: Buffer[] = []; ; held = [...held, Buffer.alloc(2 ** 24, 1)]);
    };
  },
};

/** Swallows memory as try 6, in a process of its own. */
const SWALLOW = 'for (let held = []; ; held = [...held, Buffer.alloc(2 ** 24, 1)]);';

/** The same three at a time, and a try that breaks a group only; and work that belongs into a process of its own. */
export const kinds: Readonly<Record<string, Kind>> = {
  together: {
    ...kind,
    tries: { full: 10, short: 10 },
    together: 3,
    async open(place) {
      const run = await kind.open(place);
      return (random, index, isAlone) => (index === 9 && !isAlone ? process.abort() : run(random, index, isAlone));
    },
  },
  apart: {
    ...kind,
    tries: { full: 6, short: 6 },
    together: 3,
    apart: { together: 700, megabytes: 400 },
    open: () => async (_random, index, isAlone) => {
      if (index === 1) Buffer.alloc(isAlone ? 0 : 800 * 2 ** 20, 1);
      if (index === 4 && !isAlone) process.abort();
      if (index === 5 && isAlone) await once(spawn(process.execPath, ['-e', SWALLOW]), 'close');
    },
  },
};
