import type { CollectionStore } from './collection-store.js';
import type { Candidate } from './select-documents.js';

/** Ids and texts of documents, in their order: the run's own texts, else the collection's. `run` is named in errors. */
export async function fetchTexts(
  documents: readonly Candidate[],
  collection: CollectionStore | undefined,
  run: string,
): Promise<{ docIds: string[]; docs: string[] }> {
  const docIds = documents.map((document) => document.docId);
  const withoutText = documents.filter((document) => document.text === undefined).map((document) => document.docId);
  const fetched = withoutText.length === 0 ? [] : await collection!.getTexts(withoutText, run);
  let next = 0;
  return { docIds, docs: documents.map((document) => document.text ?? fetched[next++]!) };
}
