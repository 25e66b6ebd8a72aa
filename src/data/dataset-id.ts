import { basename } from 'node:path';
import { formatSuffix, RUN_SUFFIXES, withoutGz } from './formats/run-format.js';

/**
 * lightning-ir 0.0.6 registers `rank-distillm-rankzephyr`; the configs of the Rank-DistiLLM repository say
 * `rank-distillm-rank-zephyr`. Both name one dataset.
 */
const SPELLINGS: readonly (readonly [string, string])[] = [['rank-distillm-rank-zephyr', 'rank-distillm-rankzephyr']];

/** The canonical spelling, for comparing ids. */
export function canonicalId(id: string): string {
  return SPELLINGS.reduce((text, [other, canonical]) => text.replace(other, canonical), slashed(id));
}

/** The id as in file names, with dashes instead of slashes. */
export function dashed(id: string): string {
  return id.replaceAll('/', '-');
}

/**
 * Splits of `msmarco-passage` in ir_datasets 0.6.3 and lightning-ir 0.0.6. They restore the slashes of ids in file
 * names and decide which texts are repaired.
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

/** The id with its slashes, if it is a known dataset; lightning-ir also accepts known ids with dashes. */
export function slashed(id: string): string {
  return BY_DASHED_ID.get(id) ?? id;
}

/** MS MARCO v1's passages and the splits of them that ir_datasets has, with those that lightning-ir registers below. */
const MSMARCO_PASSAGES = /^msmarco-passage(\/(dev|eval|train|trec-dl-(2019|2020|hard))(\/.*)?)?$/;

/**
 * Whether the official document file of a dataset contains doubly encoded UTF-8. For these ids lightning-ir uses the
 * texts that ir_datasets repaired, even if local files are registered.
 */
export function hasMisreadUtf8(id: string): boolean {
  return MSMARCO_PASSAGES.test(id);
}

/**
 * A run file's name without folder, `.gz` and the suffix of its format: `__bm25__my-set.v1.5.run.gz` →
 * `__bm25__my-set.v1.5`.
 */
export function runStem(path: string): string {
  const name = withoutGz(basename(path));
  const suffix = formatSuffix(name);
  return suffix in RUN_SUFFIXES ? name.slice(0, -suffix.length) : name;
}

/**
 * Dataset ids that a run file's name may refer to, best first. As in lightning-ir, the id follows the last `__` (with
 * dashes, which become slashes for known ids). lightning-ir cuts it at the first dot; we try that second, because ids
 * may contain dots.
 */
export function inferredIds(path: string): string[] {
  const stems = [runStem(path), basename(path).split('.')[0]!];
  return [...new Set(stems.map((stem) => slashed(stem.split('__').at(-1)!)))];
}
