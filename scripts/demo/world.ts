import { parseArgs } from 'node:util';
import { DEFAULT_WORLD, generateWorld } from './world/generate.js';
import { writeWorld } from './world/write.js';

const USAGE = `usage: tsx scripts/demo/world.ts <folder> [options]

Writes an invented world to re-rank and to train on: collection.tsv, queries.{train,test}.tsv, qrels.{train,test}.txt
and the runs __bm25__invented-world-{train,test}.run and __teacher__invented-world-{train,test}.run.

  --seed N             another seed is another world, default ${DEFAULT_WORLD.seed}
  --train-queries N    default ${DEFAULT_WORLD.queries.train}
  --test-queries N     default ${DEFAULT_WORLD.queries.test}
  --scale X            times as many entities and passages, default 1`;

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
  const scale = numberOf('scale', 1);
  const scaled = (counts: (typeof DEFAULT_WORLD.counts)['train']): typeof counts => ({
    person: Math.ceil(scale * counts.person),
    place: Math.ceil(scale * counts.place),
    work: Math.ceil(scale * counts.work),
    event: Math.ceil(scale * counts.event),
  });
  const world = generateWorld({
    seed: numberOf('seed', DEFAULT_WORLD.seed),
    counts: { train: scaled(DEFAULT_WORLD.counts.train), test: scaled(DEFAULT_WORLD.counts.test) },
    queries: {
      train: numberOf('train-queries', DEFAULT_WORLD.queries.train),
      test: numberOf('test-queries', DEFAULT_WORLD.queries.test),
    },
    depth: DEFAULT_WORLD.depth,
  });
  await writeWorld(world, folder);
}
