import type { RunEntry } from './records.js';
import { RunFile, type RunTopic } from './run-file.js';

/** Reads a whole run (TREC, json, jsonl or Parquet, also gzipped), topics in the order of their first lines. */
export async function readRun(path: string): Promise<RunEntry[]> {
  const entries: RunEntry[] = [];
  for await (const topic of streamRunTopics(path)) for (const entry of topic.entries) entries.push(entry);
  return entries;
}

/**
 * Reads a run topic by topic, in the order of their first lines. The whole file is checked before the first topic comes.
 * One topic at a time is held.
 */
export async function* streamRunTopics(path: string): AsyncGenerator<RunTopic> {
  const run = await RunFile.open(path);
  try {
    yield* run.stream();
  } finally {
    await run.close();
  }
}
