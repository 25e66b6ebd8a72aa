import { z } from 'zod';
import { key } from './fields.js';

/** Far above what one command line, and the open files of `merge`, can hold. */
const MOST_SHARDS = 1024;

/** A part of the topics of each run: `--shard 2/8` of the command line. */
export const shardOptions = z.strictObject({
  index: key(z.int().min(1).max(MOST_SHARDS), 'Which part, counted from 1.', 're_rank'),
  count: key(z.int().min(1).max(MOST_SHARDS), 'How many parts there are.', 're_rank'),
});

export type Shard = z.output<typeof shardOptions>;
