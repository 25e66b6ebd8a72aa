/** The process that decodes a run, see `recordLines`: JSON lines to stdout, a refusal to stderr. */
import { pipeline } from 'node:stream/promises';
import { Worker } from 'node:worker_threads';
import { RankDistillmError } from '../errors.js';
import { listsOf } from '../io/ahead.js';
import { jsonRunRecords } from './formats/run-json.js';
import { parquetRunRecords } from './formats/run-parquet.js';
import { REFUSED, type Refusal, SCATTERED } from './record-process.js';
import { ScatteredTopics, topicLines } from './topic-lines.js';

// What watches this process ends with its own, which a SIGKILL may end, and our stdin with it. A thread of its own waits
// for that: a damaged file can keep this one from ever coming to its next event.
const ENDS_WITH_STDIN = `
  const end = () => process.kill(process.pid, 'SIGKILL');
  new (require('node:net').Socket)({ fd: 0 }).on('error', end).on('end', end).resume();
`;

/** Records per write. */
const WRITTEN_TOGETHER = 1024;

async function* lines(what: string, path: string, format: string): AsyncGenerator<string> {
  const batches = format === 'json' ? listsOf(jsonRunRecords(path), WRITTEN_TOGETHER) : parquetRunRecords(path);
  if (what === 'topics') {
    const word = format === 'json' ? 'record' : 'row';
    for await (const topics of topicLines(batches, (line) => `${path}: ${word} ${line}`)) yield topics.join('');
    return;
  }
  for await (const batch of batches) yield batch.map((record) => `${JSON.stringify(record)}\n`).join('');
}

// Ctrl-C reaches all processes of a terminal; ours ends this one
process.on('SIGINT', () => undefined);
new Worker(ENDS_WITH_STDIN, { eval: true, execArgv: [] }).unref();
const [what, path, format] = process.argv.slice(-3) as [string, string, string];
try {
  await pipeline(lines(what, path, format), process.stdout);
} catch (error) {
  if (error instanceof ScatteredTopics) {
    process.exitCode = SCATTERED;
  } else {
    if (!(error instanceof RankDistillmError)) throw error;
    const { code, message, hint } = error;
    process.stderr.write(JSON.stringify({ code, message, hint } satisfies Refusal));
    process.exitCode = REFUSED;
  }
}
