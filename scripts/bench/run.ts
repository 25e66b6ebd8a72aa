// `npm run bench`: what a word after it starts. Each bench says with --help what it takes.
import { RankDistillmError } from '../../src/errors.js';
import { giveUp, SetupError } from '../lib/say.mjs';
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
  const { code, message } = error as NodeJS.ErrnoException;
  // node:util says what is wrong with the command line; where it said so helps nobody
  if (code?.startsWith('ERR_PARSE_ARGS')) giveUp(new SetupError(message, 'See --help.'));
  giveUp(error instanceof RankDistillmError ? new SetupError(message, error.hint) : error);
}
