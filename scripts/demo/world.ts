import { parseArgs } from 'node:util';
import { DEFAULT_WORLD, generateWorld, scaledWorld } from './world/generate.js';
import { writeWorld } from './world/write.js';

const USAGE = `usage: tsx scripts/demo/world.ts <folder> [options]

Writes an invented world to re-rank and to train on: collection.tsv, queries.{train,test}.tsv, qrels.{train,test}.txt
and the runs __bm25__invented-world-{train,test}.run and __teacher__invented-world-{train,test}.run.

  --seed N             another seed is another world, default ${DEFAULT_WORLD.seed}
  --train-queries N    default ${DEFAULT_WORLD.queries.train}
  --test-queries N     default ${DEFAULT_WORLD.queries.test}
  --scale X            times as many entities, passages and queries, default 1`;

const option = { type: 'string' } as const;
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ seed: option, 'train-queries': option, 'test-queries': option, scale: option },
    help: { type: 'boolean' },
  },
});

function numberOf(name: 'seed' | 'train-queries' | 'test-queries' | 'scale', otherwise: number): number {
  const value = Number(values[name] ?? otherwise);
  if (!(value >= 0)) throw new Error(`--${name} must be a number of at least 0, got ${values[name]}`);
  return value;
}

const [folder] = positionals;
if (folder === undefined || values.help) {
  console.log(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  const options = scaledWorld(DEFAULT_WORLD, numberOf('scale', 1));
  const { train, test } = options.queries;
  const world = generateWorld({
    ...options,
    seed: numberOf('seed', options.seed),
    queries: { train: numberOf('train-queries', train), test: numberOf('test-queries', test) },
  });
  await writeWorld(world, folder);
}
