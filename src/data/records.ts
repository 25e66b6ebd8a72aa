/** One line of a run: a document at a rank of a topic's ranking. */
export interface RunEntry {
  queryId: string;
  docId: string;
  /** 1-based, from the file, or from the order of scores if the file has no ranks. */
  rank: number;
  score: number;
  /** Text in json, jsonl and Parquet runs. */
  query?: string;
  text?: string;
  /** Judgement in the run file. */
  relevance?: number;
  iteration?: string;
}

/** One judgement. */
export interface Qrel {
  queryId: string;
  docId: string;
  /** Grade; may be negative. */
  relevance: number;
  iteration: string;
}

/** A topic with the documents to score, in first-stage order. */
export interface RankingSample {
  queryId: string;
  query: string;
  docIds: string[];
  /** Texts, [docIds.length]. */
  docs: string[];
  /** [docIds.length], higher is better: where the dataset was opened with targets. */
  targets?: number[];
}
