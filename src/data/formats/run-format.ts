import { basename, extname } from 'node:path';
import { RankDistillmError } from '../../errors.js';
import { firstBytes, firstPlainBytes } from '../../io/plain-bytes.js';

/**
 * - `trec`: one line per document, six columns
 * - `jsonl`: one JSON object a line
 * - `json`: one JSON document, see run-json.ts
 * - `parquet`
 */
export type RunFormat = 'trec' | 'jsonl' | 'json' | 'parquet';

/** Suffixes of run files; for other suffixes the content decides. */
export const RUN_SUFFIXES: Readonly<Record<string, RunFormat>> = {
  '.run': 'trec',
  '.csv': 'trec',
  '.tsv': 'trec',
  '.txt': 'trec',
  '.trec': 'trec',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.json': 'json',
  '.parquet': 'parquet',
};

/**
 * Detects the format from the content if that is certain (Parquet's magic, JSON's first character), else from the
 * suffix.
 */
export async function detectRunFormat(path: string): Promise<RunFormat> {
  if ((await firstBytes(path, 4)).toString('latin1') === 'PAR1') return 'parquet';
  const bySuffix = RUN_SUFFIXES[formatSuffix(path)];
  if (bySuffix === 'parquet') {
    throw new RankDistillmError('bad_input', `${path}: not a Parquet file (it does not start with PAR1)`, {
      hint: 'Use the suffix of the actual format; Parquet files must not be gzipped.',
    });
  }
  if (bySuffix === 'trec' || bySuffix === 'jsonl') return bySuffix;
  return jsonOrTrec(await firstPlainBytes(path, 4096));
}

function jsonOrTrec(start: Buffer): RunFormat {
  const text = start
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart();
  if (text.startsWith('[')) return 'json';
  if (!text.startsWith('{')) return 'trec';
  // in pandas' column-oriented JSON the first value is an object or a list; in a record it is a scalar
  return /^\{\s*("(?:[^"\\]|\\.)*"\s*:\s*[[{]|\r?\n|\})/.test(text) ? 'json' : 'jsonl';
}

/** The last suffix in lower case, ignoring `.gz`; empty if there is none. */
export function formatSuffix(path: string): string {
  return extname(withoutGz(basename(path))).toLowerCase();
}

/** A file's name without folder and `.gz`. */
export function withoutGz(name: string): string {
  return name.toLowerCase().endsWith('.gz') ? name.slice(0, -3) : name;
}
