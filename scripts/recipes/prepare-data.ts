import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readRun } from '../../src/data/run-file.js';
import { readQueries } from '../../src/data/formats/texts.js';
import { RandomStream } from '../../src/random/random-stream.js';
import { groupBy, writeLines } from '../lib/data.js';
import { makePseudoQueries } from './pseudo-queries.js';

/** RankVicuna's rankings of DL 2020, one for each first stage. */
const TEACHERS = ['bm25', 'bm25-rm3', 'splade-pp', 'tas-b', 'ada2'].map((firstStage) => `rank-vicuna_${firstStage}`);
const FUSION_K = 10;
/** Passages of other queries added below each query's own. */
const EASY = 100;
/** Their rank; the longest fused ranking has fewer passages. The configuration's depth. */
const EASY_RANK = 401;
/** Pseudo queries of the first stage. */
const PSEUDO_QUERIES = 16000;
/** Every third query, in the order of their numbers, is held out for validation; the others train. */
const HELD_OUT = (index: number): boolean => index % 3 === 1;

type Rankings = Map<string, string[]>;

async function readRankings(path: string): Promise<Rankings> {
  // RankVicuna's order is in the rank column, the scores are the first stage's
  const entries = (await readRun(path)).sort((a, b) => a.rank - b.rank);
  const byQuery = [...groupBy(entries, ({ queryId }) => queryId)];
  return new Map(byQuery.map(([queryId, own]) => [queryId, own.map(({ docId }) => docId)]));
}

/**
 * Reciprocal rank fusion: a document scores the sum of 1 / (k + rank) over the rankings that hold it. Cormack, Clarke and
 * Büttcher, Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods, SIGIR 2009.
 *
 * @param rankings one query's rankings, each a list of document ids, best first
 * @returns the union of the rankings, best first, ties by document id
 */
function fuseRankings(rankings: readonly (readonly string[])[]): { docId: string; score: number }[] {
  const scores = new Map<string, number>();
  for (const ranking of rankings) {
    for (const [index, docId] of ranking.entries())
      scores.set(docId, (scores.get(docId) ?? 0) + 1 / (FUSION_K + index + 1));
  }
  return [...scores]
    .map(([docId, score]) => ({ docId, score }))
    .sort((a, b) => b.score - a.score || (a.docId < b.docId ? -1 : 1));
}

/**
 * Writes the training run: the teachers' fused ranking of each query, then EASY passages that were retrieved for other
 * queries only. Those share the last rank: no order is learnt among them.
 */
async function writeTeacher(path: string, teachers: readonly Rankings[], queryIds: readonly string[]): Promise<void> {
  const retrieved = new Map(queryIds.map((id) => [id, fuseRankings(teachers.map((teacher) => teacher.get(id) ?? []))]));
  const passages = [...new Set([...retrieved.values()].flat().map(({ docId }) => docId))].sort();
  const lines = [...retrieved].flatMap(([queryId, ranking]) => {
    const own = new Set(ranking.map(({ docId }) => docId));
    const others = passages.filter((docId) => !own.has(docId));
    const hard = ranking.map(({ docId, score }, index) => `${queryId} Q0 ${docId} ${index + 1} ${score} rank-vicuna`);
    const random = new RandomStream({ seed: 0, purpose: 'easy', epoch: 0, item: queryId });
    const easy = random.choose(others, EASY).map((docId) => `${queryId} Q0 ${docId} ${EASY_RANK} 0 rank-vicuna`);
    return [...hard, ...easy];
  });
  await writeLines(path, lines);
}

/**
 * Writes the first stage's data to `folder`: pseudo queries made from the passages that were retrieved for `queryIds`,
 * those passages, and a run of candidates that bi_encoder_order.py puts in order.
 */
async function writePseudo(
  folder: string,
  collection: ReadonlyMap<string, string>,
  teachers: readonly Rankings[],
  queryIds: readonly string[],
): Promise<void> {
  const retrieved = new Set(queryIds.flatMap((id) => teachers.flatMap((teacher) => teacher.get(id) ?? [])));
  const passages = new Map([...collection].filter(([docId]) => retrieved.has(docId)));
  const pseudo = makePseudoQueries(passages, PSEUDO_QUERIES);
  const collectionLines = [...passages].map(([docId, text]) => `${docId}\t${text}`);
  await writeLines(join(folder, 'pseudo-collection.tsv'), collectionLines);
  const queryLines = pseudo.map(({ query }, i) => `pseudo${i}\t${query}`);
  await writeLines(join(folder, 'pseudo-queries.tsv'), queryLines);
  const runLines = pseudo.flatMap(({ candidates }, i) =>
    candidates.map((docId, at) => `pseudo${i} Q0 ${docId} ${at + 1} ${candidates.length - at} candidates`),
  );
  await writeLines(join(folder, '__candidates__pseudo.run'), runLines);
}

/** Copies a file; of a run or qrels only the lines of `queryIds` where given. */
async function copyText(from: string, to: string, queryIds?: ReadonlySet<string>): Promise<void> {
  const lines = (await readFile(from, 'utf8')).split('\n').filter((line) => line !== '');
  const kept = queryIds === undefined ? lines : lines.filter((line) => queryIds.has(line.split(/\s/, 1)[0]!));
  await writeLines(to, kept);
}

/**
 * Writes to `folder` what the configurations name, in forms that lightning-ir also reads: the training run (the fusion of
 * the teachers' rankings), once of all queries of DL 2020 and once without those held out; the first stage's pseudo
 * queries, which never see a passage of those held out; runs to re-rank; collections, queries and qrels.
 */
export async function prepareData(shared: string, folder: string): Promise<void> {
  const dl2020 = join(shared, 'trec-dl-2020');
  const dl2021 = join(shared, 'trec-dl-2021');
  const teachers = await Promise.all(TEACHERS.map((name) => readRankings(join(dl2020, 'runs', `${name}.run`))));
  const queryIds = [...teachers[0]!.keys()].sort((a, b) => Number(a) - Number(b));
  const training = queryIds.filter((_, index) => !HELD_OUT(index));
  const heldOut = new Set(queryIds.filter((_, index) => HELD_OUT(index)));
  await writeTeacher(join(folder, '__rank-vicuna__dl-2020.run'), teachers, queryIds);
  await writeTeacher(join(folder, '__rank-vicuna__dl-2020-train.run'), teachers, training);
  const collection = await readQueries(join(dl2020, 'collection.tsv'));
  await writePseudo(folder, collection, teachers, training);
  for (const name of ['bm25', 'splade-pp']) {
    const run = join('runs', `${name}.run`);
    await copyText(join(dl2020, run), join(folder, `__${name}__dl-2020-held-out.run`), heldOut);
    await copyText(join(dl2021, run), join(folder, `__${name}__dl-2021.run`));
  }
  await copyText(join(dl2020, 'qrels.txt'), join(folder, 'dl-2020-held-out.qrels'), heldOut);
  await copyText(join(dl2021, 'qrels.txt'), join(folder, 'dl-2021.qrels'));
  for (const [year, from] of Object.entries({ 2020: dl2020, 2021: dl2021 })) {
    await copyText(join(from, 'collection.tsv'), join(folder, `dl-${year}-collection.tsv`));
    await copyText(join(from, 'queries.tsv'), join(folder, `dl-${year}-queries.tsv`));
  }
}
