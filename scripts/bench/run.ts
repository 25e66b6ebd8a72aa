// `npm run bench`: what a word after it starts. Each bench says with --help what it takes.
import { giveUpCommand } from '../lib/command-error.js';
import { SetupError } from '../lib/say.mjs';
import { USAGE } from './usage.js';

const benches: Readonly<Record<string, () => Promise<unknown>>> = {
  suite: () => import('./suite.js'),
  train: () => import('./train.js'),
  peers: () => import('./peers/run.js'),
  ranking: () => import('./ranking.js'),
};

const first = process.argv[2];
try {
  if (first === '--help' || first === '-h') {
    console.log(USAGE);
  } else {
    const name = first === undefined || first.startsWith('-') ? 'suite' : first;
    const bench = benches[name];
    if (!bench) throw new SetupError(`${name}: no such bench`, `There are: ${Object.keys(benches).join(', ')}`);
    await bench();
  }
} catch (error) {
  giveUpCommand(error);
}
