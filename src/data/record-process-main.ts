/** The process that decodes a run, see `recordLines`: JSON lines to stdout, a refusal to stderr. */
import { pipeline } from 'node:stream/promises';
import { RankDistillmError } from '../errors.js';
import { listsOf } from '../io/ahead.js';
import { jsonRunRecords } from './formats/run-json.js';
import { parquetRunRecords } from './formats/run-parquet.js';
import { REFUSED, type Refusal } from './record-process.js';

/** Records per write. */
const WRITTEN_TOGETHER = 1024;

async function* lines(path: string, format: string): AsyncGenerator<string> {
  const records = format === 'json' ? jsonRunRecords(path) : parquetRunRecords(path);
  for await (const batch of listsOf(records, WRITTEN_TOGETHER)) {
    yield batch.map((record) => `${JSON.stringify(record)}\n`).join('');
  }
}

// Ctrl-C reaches all processes of a terminal; ours ends this one
process.on('SIGINT', () => undefined);
const [path, format] = process.argv.slice(-2) as [string, string];
try {
  await pipeline(lines(path, format), process.stdout);
} catch (error) {
  if (!(error instanceof RankDistillmError)) throw error;
  const { code, message, hint } = error;
  process.stderr.write(JSON.stringify({ code, message, hint } satisfies Refusal));
  process.exitCode = REFUSED;
}
