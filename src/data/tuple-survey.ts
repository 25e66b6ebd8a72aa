import { at, RankDistillmError } from '../errors.js';
import type { CollectionStore } from './collection/collection-store.js';
import type { DocTuple } from './formats/doc-tuples.js';
import { equalTargetsWarning } from './training-dataset.js';

export interface TupleLimits {
  targets: 'order' | 'score';
  /** Undefined for all documents of each tuple. */
  numDocs: number | undefined;
}

/** The result of one pass over the tuples. */
export interface TupleSurvey {
  /** Documents of every sample: `numDocs`, or the length of the longest tuple if that is smaller. */
  size: number;
  /** Number of tuples in use. */
  count: number;
  /** Whether a tuple is in use. */
  usable: (tuple: DocTuple) => boolean;
  /** Queries of the used tuples, with the first line of each. */
  queryLines: ReadonlyMap<string, number>;
  /** Skipped tuples with the reason, one sentence each. */
  warnings: string[];
}

/** Tuples of one length. */
interface Tally {
  firstLine: number;
  count: number;
  documents: number;
  missing: number;
  /** Tuples whose targets are all equal. */
  equalTargets: number;
  firstMissing: { docId: string; line: number } | undefined;
  queryLines: Map<string, number>;
}

/** Counts the tuples by their length and looks up their documents. */
export async function surveyTuples(
  blocks: AsyncIterable<DocTuple[]>,
  path: string,
  { targets, numDocs = Infinity }: TupleLimits,
  collection: CollectionStore,
): Promise<TupleSurvey> {
  const tallies = new Map<number, Tally>();
  let withoutPositive = 0;
  let repeating = 0;
  for await (const tuples of blocks) {
    for (const tuple of tuples) {
      if (!tuple.hasPositive) {
        withoutPositive += 1;
        continue;
      }
      if (targets === 'score') checkScores(tuple, path);
      const docIds = tuple.docIds.slice(0, numDocs);
      if (new Set(docIds).size < docIds.length) repeating += 1;
      const tally = tallyOf(tallies, docIds.length, tuple.line);
      addTo(tally, tuple, docIds, collection);
      const scores = targets === 'score' ? tuple.scores!.slice(0, numDocs).map(Math.fround) : undefined;
      if (scores?.every((score) => score === scores[0])) tally.equalTargets += 1;
    }
  }
  const size = Math.max(1, ...tallies.keys());
  const tally = size < 2 ? undefined : tallies.get(size);
  let tooFew = 0;
  for (const [length, { count }] of tallies) if (length < size || length < 2) tooFew += count;
  const reasons = [
    ...(withoutPositive > 0 ? [`tuples without a positive, skipped: ${withoutPositive}`] : []),
    ...(repeating > 0 ? [`tuples that name a document twice, kept as they are: ${repeating}`] : []),
    ...(tooFew > 0 ? [`tuples with fewer than ${Math.max(size, 2)} documents, skipped: ${tooFew}`] : []),
  ];
  if (tally === undefined) throw nothingLeft(path, reasons);
  if (numDocs === Infinity && tallies.size > 1) throw unequal(tallies, path);
  if (tally.equalTargets > 0) reasons.push(equalTargetsWarning('tuples', tally.equalTargets, tally.count));
  if (tally.missing > 0) throw missingDocuments(tally, path, collection.path);
  return {
    size,
    count: tally.count,
    usable: ({ hasPositive, docIds }) => hasPositive && Math.min(docIds.length, numDocs) === size,
    queryLines: tally.queryLines,
    warnings: reasons.map((reason) => `${path}: ${reason}`),
  };
}

function tallyOf(tallies: Map<number, Tally>, length: number, line: number): Tally {
  let tally = tallies.get(length);
  if (tally === undefined) {
    tally = {
      firstLine: line,
      count: 0,
      documents: 0,
      missing: 0,
      equalTargets: 0,
      firstMissing: undefined,
      queryLines: new Map(),
    };
    tallies.set(length, tally);
  }
  return tally;
}

function addTo(tally: Tally, { queryId, line }: DocTuple, docIds: string[], collection: CollectionStore): void {
  tally.count += 1;
  if (!tally.queryLines.has(queryId)) tally.queryLines.set(queryId, line);
  for (const docId of docIds) {
    tally.documents += 1;
    if (collection.has(docId)) continue;
    tally.missing += 1;
    tally.firstMissing ??= { docId, line };
  }
}

function checkScores({ scores, line }: DocTuple, path: string): void {
  if (scores === undefined) {
    throw new RankDistillmError('bad_input', `${at(path, line)}: no scores, but targets: score needs them`, {
      hint: 'Set targets: order, or use tuples with scores.',
    });
  }
  const huge = scores.find((score) => !Number.isFinite(Math.fround(score)));
  if (huge === undefined) return;
  throw new RankDistillmError('bad_input', `${at(path, line)}: score ${huge} is too large for float32`, {
    hint: 'targets: score learns scores as float32 numbers; scale them.',
  });
}

function missingDocuments(tally: Tally, path: string, collection: string): RankDistillmError {
  const { docId, line } = tally.firstMissing!;
  return new RankDistillmError(
    'not_found',
    `${at(path, line)}: document '${docId}' is not in the collection ${collection} ` +
      `(${tally.missing} of the ${tally.documents} documents of the tuples are missing)`,
    { hint: 'Register the collection that the tuples were created from.' },
  );
}

function nothingLeft(path: string, reasons: string[]): RankDistillmError {
  const why = reasons.length === 0 ? 'the file is empty' : reasons.join('; ');
  return new RankDistillmError('bad_input', `${path}: no tuple is left to train on; ${why}`, {
    hint: 'A tuple is a query id, a positive document and at least one other.',
  });
}

/** Without num_docs all tuples must have the same length, because a batch is a matrix. */
function unequal(tallies: ReadonlyMap<number, Tally>, path: string): RankDistillmError {
  const [first, second] = [...tallies].sort(([, a], [, b]) => a.firstLine - b.firstLine) as [
    [number, Tally],
    [number, Tally],
  ];
  return new RankDistillmError(
    'bad_input',
    `${at(path, second[1].firstLine)}: ${second[0]} documents, but ${first[0]} on line ${first[1].firstLine}; ` +
      'all tuples need the same number',
    { hint: 'Set num_docs.' },
  );
}
