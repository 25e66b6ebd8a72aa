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

/** The same three at a time, and a try that breaks a group only. */
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
};
