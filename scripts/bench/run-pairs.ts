import { readRun } from '../../src/data/run-file.js';
import { readDocuments, readQueries } from '../../src/data/formats/texts.js';
import type { RunEntry } from '../../src/data/records.js';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { SetupError } from '../lib/say.mjs';

export interface RunFiles {
  run: string;
  docs: string;
  queries: string;
}

/** The entries of a run that are wanted, and the texts of each. */
export async function readRunPairs(
  { run, docs, queries }: RunFiles,
  wanted: (entry: RunEntry) => boolean = () => true,
): Promise<{ entries: RunEntry[]; pairs: TextPair[] }> {
  const entries = (await readRun(run)).filter(wanted);
  const ids = new Set(entries.map(({ docId }) => docId));
  const texts = new Map<string, string>();
  for await (const { id, text } of readDocuments(docs)) if (ids.has(id)) texts.set(id, text);
  const questions = await readQueries(queries);
  const found = (text: string | undefined, what: string, file: string): string => {
    if (text !== undefined) return text;
    throw new SetupError(`${run}: ${what} is not in ${file}`, 'Give the files that the run was made with.');
  };
  const pairs = entries.map(({ queryId, docId }) => ({
    query: found(questions.get(queryId), `topic ${queryId}`, queries),
    document: found(texts.get(docId), `document ${docId}`, docs),
  }));
  return { entries, pairs };
}
