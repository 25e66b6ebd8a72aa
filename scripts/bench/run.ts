// `npm run bench`: the word after it names a bench, each with its --help.
import { giveUp, SetupError } from '../lib/say.mjs';

type Bench = { run: (args: string[]) => Promise<void> };

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  suite: () => import('./suite.js'),
  train: () => import('./train.js'),
  peers: () => import('./peers/run.js'),
  ranking: () => import('./ranking.js'),
  exact: () => import('./exact.js'),
  arithmetic: () => import('./arithmetic.js'),
  tokenize: () => import('./tokenize.js'),
  memory: () => import('./memory.js'),
  'event-loop': () => import('./event-loop.js'),
  collection: () => import('./collection.js'),
  runs: () => import('./runs.js'),
  fairness: () => import('./fairness.js'),
  serve: () => import('./serve.js'),
  ranks: () => import('./ranks.js'),
};

try {
  const [first = '-', ...rest] = process.argv.slice(2);
  const isOption = first.startsWith('-');
  const load = BENCHES[isOption ? 'suite' : first];
  if (!load) throw new SetupError(`${first}: no such bench`, `There are: ${Object.keys(BENCHES).join(', ')}`);
  const { run } = await load();
  await run(isOption ? process.argv.slice(2) : rest);
} catch (error) {
  giveUp(error);
}
