import type { Qrel } from './records.js';

/** Grades by topic and document: where a document was judged in several iterations (subtopics), the greatest. */
export function gradesByTopic(qrels: Iterable<Qrel>): Map<string, Map<string, number>> {
  const topics = new Map<string, Map<string, number>>();
  for (const { queryId, docId, relevance } of qrels) {
    let grades = topics.get(queryId);
    if (grades === undefined) {
      grades = new Map<string, number>();
      topics.set(queryId, grades);
    }
    grades.set(docId, Math.max(relevance, grades.get(docId) ?? -Infinity));
  }
  return topics;
}
