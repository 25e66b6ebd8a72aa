import { RankDistillmError } from '../../errors.js';
import { firstPlainBytes } from '../../io/plain-bytes.js';
import { formatSuffix } from './suffix.js';

/** `tsv`: id, tab, text. `jsonl`: one JSON object a line. */
export type TextFormat = 'tsv' | 'jsonl';

/** Format of a file of queries or documents that is read again: see `textFormat`. */
export async function detectTextFormat(path: string): Promise<TextFormat> {
  return textFormat(path, await firstPlainBytes(path, 4096));
}

/** Format of a file of queries or documents: from the last suffix, from how the content starts where that does not say. */
export function textFormat(path: string, bytes: Buffer): TextFormat {
  if (bytes.toString('latin1', 0, 4) === 'PAR1') {
    throw new RankDistillmError('unsupported', `${path}: queries and documents are not read from Parquet`, {
      hint: 'Write them as .tsv (id, tab, text) or .jsonl; Parquet is for runs.',
    });
  }
  const suffix = formatSuffix(path);
  if (suffix === '.tsv') return 'tsv';
  const start = bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart();
  const jsonSuffix = suffix === '.jsonl' || suffix === '.ndjson' || suffix === '.json';
  if (jsonSuffix && start.startsWith('[')) {
    throw new RankDistillmError('bad_input', `${path}: a JSON list; one JSON object a line is needed`, {
      hint: "Convert it with `jq -c '.[]'`.",
    });
  }
  return jsonSuffix || start.startsWith('{') ? 'jsonl' : 'tsv';
}
