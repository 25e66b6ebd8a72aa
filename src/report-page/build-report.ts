import { compareRuns, type ComparedDataset, type CompareOptions } from '../compare/compare.js';
import { captionOf, tableColumns } from '../compare/format.js';
import { gradesByTopic } from '../data/formats/qrels.js';
import type { RunEntry } from '../data/records.js';
import { throwIfAborted } from '../errors.js';
import { evaluate } from '../evaluate/evaluate.js';
import { rankOrder, TREC_EVAL_ORDER } from '../evaluate/rank-order.js';
import { markBest } from '../report/table.js';
import { BUCKETS } from './report-data.js';
import type { ReportCell, ReportData, ReportDataset, ReportRankings, SystemFigures } from './report-data.js';

/** Cut-offs of the curve of effectiveness over depth. */
const DEPTH = 100;
const SCORE_BINS = 40;

type ReportedEntry = Pick<RunEntry, 'queryId' | 'docId' | 'score' | 'query' | 'text'>;

/** A dataset with the texts that are known of it. */
export interface ReportedDataset extends ComparedDataset {
  runs: ReadonlyMap<string, readonly ReportedEntry[]>;
  queries?: ReadonlyMap<string, string>;
  /** Text by document. Texts within the runs need not be there. */
  texts?: ReadonlyMap<string, string>;
}

/** A ranking as trec_eval orders it. */
interface Ranking {
  docIds: string[];
  scores: number[];
}

function rankingsOf(run: Iterable<ReportedEntry>): Map<string, Ranking> {
  const byTopic = new Map<string, Ranking>();
  for (const { queryId, docId, score } of run) {
    let ranking = byTopic.get(queryId);
    if (!ranking) byTopic.set(queryId, (ranking = { docIds: [], scores: [] }));
    ranking.docIds.push(docId);
    ranking.scores.push(score);
  }
  for (const [topic, { docIds, scores }] of byTopic) {
    const order = Array.from(rankOrder(docIds, scores, TREC_EVAL_ORDER));
    byTopic.set(topic, { docIds: order.map((i) => docIds[i]!), scores: order.map((i) => scores[i]!) });
  }
  return byTopic;
}

type Grades = ReadonlyMap<string, ReadonlyMap<string, number>>;
type Rankings = ReadonlyMap<string, Ranking>;

function scoresByGrade(rankings: Rankings, grades: Grades): SystemFigures['scores'] {
  const all: [score: number, grade: number | null][] = [];
  let [lowest, highest] = [Infinity, -Infinity];
  for (const [topic, judged] of grades) {
    const { docIds, scores } = rankings.get(topic) ?? { docIds: [], scores: [] };
    for (const [i, docId] of docIds.entries()) {
      const score = scores[i]!;
      if (!Number.isFinite(score)) continue;
      all.push([score, judged.get(docId) ?? null]);
      lowest = Math.min(lowest, score);
      highest = Math.max(highest, score);
    }
  }
  if (!(highest > lowest)) return undefined;
  const byGrade = new Map<number | null, number[]>();
  for (const [score, grade] of all) {
    if (!byGrade.has(grade)) byGrade.set(grade, new Array<number>(SCORE_BINS).fill(0));
    const bin = Math.min(SCORE_BINS - 1, Math.floor(((score - lowest) / (highest - lowest)) * SCORE_BINS));
    byGrade.get(grade)![bin]! += 1;
  }
  const sorted = [...byGrade].sort(([a], [b]) => (a ?? -Infinity) - (b ?? -Infinity));
  return { lowest, highest, grades: sorted.map(([grade, counts]) => ({ grade, counts })) };
}

const bucketOf = (rank: number | undefined): number =>
  rank === undefined ? BUCKETS.length : BUCKETS.findIndex(([, last]) => rank <= last);

function shiftsOf(before: Rankings, after: Rankings, grades: Grades): NonNullable<SystemFigures['shifts']> {
  const size = BUCKETS.length + 1;
  const empty = () => Array.from({ length: size }, () => new Array<number>(size).fill(0));
  const [all, relevant] = [empty(), empty()];
  for (const [topic, judged] of grades) {
    const [old, now] = [before, after].map(
      (rankings) => new Map(rankings.get(topic)?.docIds.map((docId, i) => [docId, i + 1])),
    ) as [Map<string, number>, Map<string, number>];
    for (const docId of new Set([...old.keys(), ...now.keys()])) {
      const [from, to] = [bucketOf(old.get(docId)), bucketOf(now.get(docId))];
      all[from]![to]! += 1;
      if ((judged.get(docId) ?? 0) > 0) relevant[from]![to]! += 1;
    }
  }
  return { all, relevant };
}

const sixDigits = (score: number): number => Number(score.toPrecision(6));

/** A dataset's figures and rankings. */
function datasetOf(
  dataset: ReportedDataset,
  measures: readonly string[],
  baseline: string,
): { figures: ReportDataset; rankings: ReportRankings } {
  const { name, qrels, runs } = dataset;
  const grades = gradesByTopic(qrels);
  const systems = [...runs.keys()];
  const rankings = new Map([...runs].map(([system, run]) => [system, rankingsOf(run)]));
  const cutOffs = Array.from({ length: DEPTH }, (_, i) => `nDCG@${i + 1}`);
  const evaluations = [...runs].map(([, run]) => evaluate(run, qrels, [...measures, ...cutOffs]));
  const queries = new Map(dataset.queries);
  const texts = new Map(dataset.texts);
  for (const run of runs.values()) {
    for (const { queryId, docId, query, text } of run) {
      if (query !== undefined && !queries.has(queryId)) queries.set(queryId, query);
      if (text !== undefined && !texts.has(docId)) texts.set(docId, text);
    }
  }
  const topics = [...grades.keys()];
  const before = rankings.get(baseline);
  const figures: ReportDataset = {
    name,
    systems,
    topics: topics.map((id) => ({
      id,
      ...(queries.has(id) ? { text: queries.get(id)! } : {}),
      values: systems.map((system, i) =>
        rankings.get(system)!.has(id) ? measures.map((measure) => evaluations[i]!.byQuery.get(id)![measure]!) : null,
      ),
    })),
    figures: systems.map((system, i) => {
      const after = rankings.get(system)!;
      const scores = scoresByGrade(after, grades);
      return {
        system,
        depth: cutOffs.map((cutOff) => Number(evaluations[i]!.mean[cutOff]!.toFixed(5))),
        ...(scores ? { scores } : {}),
        ...(before && system !== baseline ? { shifts: shiftsOf(before, after, grades) } : {}),
      };
    }),
  };
  return { figures, rankings: shownRankings(topics, systems, rankings, grades, texts) };
}

function shownRankings(
  topics: readonly string[],
  systems: readonly string[],
  rankings: ReadonlyMap<string, Rankings>,
  grades: Grades,
  texts: ReadonlyMap<string, string>,
): ReportRankings {
  const numbers = new Map<string, number>();
  const numberOf = (docId: string): number => {
    if (!numbers.has(docId)) numbers.set(docId, numbers.size);
    return numbers.get(docId)!;
  };
  const shown: ReportRankings = { ids: [], texts: [], grades: [], ranked: [], scores: [] };
  for (const topic of topics) {
    const own = systems.map((system) => rankings.get(system)!.get(topic));
    shown.ranked.push(own.map((ranking) => ranking?.docIds.map(numberOf) ?? null));
    shown.scores.push(own.map((ranking) => ranking?.scores.map(sixDigits) ?? null));
    const ranked = new Set(own.flatMap((ranking) => ranking?.docIds ?? []));
    const judged = [...grades.get(topic)!].filter(([docId]) => ranked.has(docId));
    shown.grades.push(judged.flatMap(([docId, grade]) => [numberOf(docId), grade]));
  }
  shown.ids = [...numbers.keys()];
  shown.texts = shown.ids.map((docId) => texts.get(docId) ?? '');
  return shown;
}

/** Rankings down to a rank, with the documents that remain. */
export function cutRankings({ ids, texts, grades, ranked, scores }: ReportRankings, depth: number): ReportRankings {
  const kept = new Map<number, number>();
  const numberOf = (old: number): number => {
    if (!kept.has(old)) kept.set(old, kept.size);
    return kept.get(old)!;
  };
  const cut = ranked.map((systems) => systems.map((documents) => documents?.slice(0, depth).map(numberOf) ?? null));
  const judged = grades.map((pairs) =>
    pairs.flatMap((old, i) => (i % 2 === 0 && kept.has(old) ? [kept.get(old)!, pairs[i + 1]!] : [])),
  );
  return {
    ids: Array.from(kept.keys(), (old) => ids[old]!),
    texts: Array.from(kept.keys(), (old) => texts[old]!),
    grades: judged,
    ranked: cut,
    scores: scores.map((systems) => systems.map((values) => values?.slice(0, depth) ?? null)),
  };
}

function tableOf(comparison: ReturnType<typeof compareRuns>): NonNullable<ReportData['table']> {
  const columns = tableColumns(comparison);
  const cells = columns.map(({ values }) => {
    const texts = values.map(({ mean }) => mean.toFixed(4));
    const marks = markBest(
      texts,
      () => 'best',
      () => 'second',
    );
    return new Map(
      values.map(({ system, difference }, i): [string, ReportCell] => {
        const cell: ReportCell = { text: texts[i]! };
        const mark = marks[i];
        if (values.length > 1 && (mark === 'best' || mark === 'second')) cell.mark = mark;
        if (difference?.isSignificant) cell.isSignificant = true;
        return [system, cell];
      }),
    );
  });
  return {
    heads: columns.map(({ name, measure }) => (columns.length === comparison.measures.length ? measure : name)),
    rows: comparison.systems.map((system) => ({ system, cells: cells.map((column) => column.get(system) ?? null) })),
    caption: captionOf(comparison),
  };
}

/** What a report shows of runs: the comparison, each topic's values, curves, score distributions and rankings. */
export function buildReport(
  datasets: readonly ReportedDataset[],
  options: CompareOptions,
): Required<Pick<ReportData, 'table' | 'comparison' | 'datasets'>> & { rankings: ReportRankings[] } {
  const comparison = compareRuns(datasets, options);
  const parts = datasets.map((dataset) => {
    throwIfAborted(options.signal);
    return datasetOf(dataset, comparison.measures, comparison.baseline);
  });
  return {
    table: tableOf(comparison),
    comparison,
    datasets: parts.map(({ figures }) => figures),
    rankings: parts.map(({ rankings }) => rankings),
  };
}
