import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { DatasetFile, DatasetFiles } from './datasets.js';

// dataset-table.json names each archive once, with the members that files are made of: scripts/references/dataset_table.py.

const version = z.strictObject({ file: z.string(), value: z.string(), outdates: z.array(z.string()) });
const change = z.enum(['repair', 'ids']);
const part = z.string().optional();

const tableSchema = z.strictObject({
  source: z.string(),
  /** By path in ir_datasets' folder, as all files. */
  downloads: z.record(
    z.string(),
    z.strictObject({
      urls: z.array(z.string()).min(1),
      md5: z.string(),
      size: z.number().optional(),
      headers: z.record(z.string(), z.string()).optional(),
      version: version.optional(),
    }),
  ),
  /** Archive → the files that are made of it: member, or more. */
  archives: z.record(
    z.string(),
    z.strictObject({
      unpack: z.enum(['tar', 'zip', 'gzip', 'tar of gzips']),
      members: z.record(
        z.string(),
        z.union([z.string(), z.strictObject({ member: part, change: change.optional(), version: version.optional() })]),
      ),
    }),
  ),
  /** Files that are others, one after the other. */
  joined: z.record(z.string(), z.array(z.string()).min(1)),
  datasets: z.record(
    z.string(),
    z.strictObject({ docs: part, queries: part, qrels: part, scoreddocs: part, docpairs: part }),
  ),
});

const table = tableSchema.parse(JSON.parse(readFileSync(new URL('./dataset-table.json', import.meta.url), 'utf8')));

function* files(): Generator<[path: string, file: object]> {
  yield* Object.entries(table.downloads);
  for (const [from, { unpack, members }] of Object.entries(table.archives)) {
    for (const [path, how] of Object.entries(members)) {
      yield [path, { from, unpack, ...(typeof how === 'string' ? { member: how } : how) }];
    }
  }
  for (const [path, join] of Object.entries(table.joined)) yield [path, { join }];
}

/** How each file is made, by its path in ir_datasets' folder. */
export const FILES = Object.fromEntries(files()) as Readonly<Record<string, DatasetFile>>;

/** The files of each dataset. */
export const DATASETS = table.datasets as Readonly<Record<string, DatasetFiles>>;
