import { z } from 'zod';
import { section, type OptionsOf } from '../config/read-settings.js';
import { key } from '../config/schema/fields.js';
import { modelKeys, passed } from './engine-options.js';

export const loadOptions = z.strictObject({
  ...modelKeys,
  devices: key(
    z.union([z.int().min(1), z.array(z.string()).min(1)]).optional(),
    'Instead of device: several GPUs, as a number or by names. Each has a copy of the model; windows of pairs go to the one with the least to do.',
  ),
  fresh_head: key(z.boolean().default(false), 'Give a model without a trained head a random one, instead of throwing.'),
  seed: key(z.int().min(0).optional(), 'Seed of a fresh head; default 42.'),
  queue_limit: key(
    z.int().min(1).default(1024),
    'Most calls (`score`, `rank`, streams) that may be unfinished at a time; one more throws `busy`.',
  ),
});

export const streamOptions = z.strictObject({
  signal: modelKeys.signal,
  non_finite: key(
    z.enum(['error', 'return']).default('error'),
    'When a score is NaN or infinite: throw an error that names the pair, or return the score. `rank` puts NaN last.',
  ),
});

export const scoreOptions = z.strictObject({
  ...streamOptions.shape,
  max_tokens: key(
    z.int().min(1).optional(),
    'Most tokens that the model may read in this call; more throws `bad_input`.',
  ),
  on_progress: passed<(progress: { done: number; total: number }) => void>(
    'a function',
    'Called after each window of pairs.',
  ),
  activation: key(
    z.enum(['identity', 'sigmoid']).default('identity'),
    '`sigmoid` maps logits to (0, 1) for display; it keeps the order but may tie the top.',
  ),
});

export const longDocuments = z.strictObject({
  max_passages: key(z.int().min(1).max(10_000).default(10), 'Most passages of a document; the rest is left out.'),
  overlap: key(z.int().min(0).default(0), 'Tokens that neighbouring passages share, at most half of a passage.'),
  aggregate: key(
    z.enum(['max', 'mean']).default('max'),
    "A document's score: that of its best passage (MaxP, Dai and Callan 2019), or the mean over its passages.",
  ),
});

export const rankOptions = z.strictObject({
  ...scoreOptions.shape,
  long_documents: key(
    section(longDocuments).optional(),
    'Score a document that is longer than the model reads in passages. When left out, its end is not read.',
  ),
  top_k: key(z.int().min(0).optional(), 'Number of documents to return, best first; default all.'),
  exact: key(
    z.boolean().default(false),
    'Return the topK documents of 32-true: those that this precision leaves in doubt are scored again. Needs topK.',
  ),
  return_documents: key(z.boolean().default(false), 'Also return the texts of the documents.'),
});

export type LoadOptions = OptionsOf<typeof loadOptions>;
export type ScoreOptions = OptionsOf<typeof scoreOptions>;
export type RankOptions = OptionsOf<typeof rankOptions>;
export type StreamOptions = OptionsOf<typeof streamOptions>;
