import { basename } from 'node:path';
import { formatSuffix, RUN_SUFFIXES, withoutGz } from './formats/run-format.js';

/**
 * lightning-ir 0.0.6 registers `rank-distillm-rankzephyr`; the configs of the Rank-DistiLLM repository say
 * `rank-distillm-rank-zephyr`. Both name one dataset.
 */
const SPELLINGS: readonly (readonly [string, string])[] = [['rank-distillm-rank-zephyr', 'rank-distillm-rankzephyr']];

/** The spelling that ids are compared in. */
export function canonicalId(id: string): string {
  return SPELLINGS.reduce((text, [other, canonical]) => text.replace(other, canonical), slashed(id));
}

/** Ids in file names have dashes for slashes. */
export function dashed(id: string): string {
  return id.replaceAll('/', '-');
}

/**
 * Splits of `msmarco-passage` in ir_datasets 0.6.3 and lightning-ir 0.0.6. Names of run files have them with dashes, and
 * texts depend on them.
 */
const PASSAGE_SPLITS = `
  dev dev/2 dev/judged dev/small eval eval/small
  train train/colbert-docpairs train/judged train/kd-docpairs train/medical train/rank-distillm-colbert
  train/rank-distillm-monoelectra train/rank-distillm-rank-zephyr train/rank-distillm-rankzephyr
  train/rank-distillm-set-encoder train/sbert-bm25-docpairs train/sbert-msmarco-MiniLM-L-6-v3-docpairs
  train/sbert-msmarco-distilbert-base-tas-b-docpairs train/sbert-msmarco-distilbert-base-v3-docpairs
  train/split200-train train/split200-valid train/triples-small train/triples-v2
  trec-dl-2019 trec-dl-2019/judged trec-dl-2020 trec-dl-2020/judged
  trec-dl-hard trec-dl-hard/fold1 trec-dl-hard/fold2 trec-dl-hard/fold3 trec-dl-hard/fold4 trec-dl-hard/fold5`;

const BY_DASHED_ID: ReadonlyMap<string, string> = new Map(
  PASSAGE_SPLITS.trim()
    .split(/\s+/)
    .map((split) => [dashed(`msmarco-passage/${split}`), `msmarco-passage/${split}`]),
);

/** The id with its slashes, where one is known; lightning-ir takes dashed ids of known datasets as them. */
export function slashed(id: string): string {
  return BY_DASHED_ID.get(id) ?? id;
}

/** MS MARCO v1's passages and the splits of them that ir_datasets has, with those that lightning-ir registers below. */
const MSMARCO_PASSAGES = /^msmarco-passage(\/(dev|eval|train|trec-dl-(2019|2020|hard))(\/.*)?)?$/;

/**
 * Whether the documents of an id hold UTF-8 that was encoded twice, in their official file. For these ids lightning-ir
 * reads ir_datasets' repaired texts, also where local files are registered for them.
 */
export function hasMisreadUtf8(id: string): boolean {
  return MSMARCO_PASSAGES.test(id);
}

/** A run file's name without folder, `.gz` and the suffix of its format: `__bm25__my-set.v1.5.run.gz` → `__bm25__my-set.v1.5`. */
export function runStem(path: string): string {
  const name = withoutGz(basename(path));
  const suffix = formatSuffix(name);
  return suffix in RUN_SUFFIXES ? name.slice(0, -suffix.length) : name;
}

/**
 * Ids that the name of a run file may stand for, best first. As lightning-ir infers it, the id (with dashes, which become
 * slashes where the id is known) comes after the last `__`; lightning-ir ends it at the first dot, which is tried second
 * because ids may hold dots.
 */
export function inferredIds(path: string): string[] {
  const stems = [runStem(path), basename(path).split('.')[0]!];
  return [...new Set(stems.map((stem) => slashed(stem.split('__').at(-1)!)))];
}
