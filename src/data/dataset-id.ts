import { basename } from 'node:path';
import { formatSuffix, RUN_SUFFIXES, withoutGz } from './formats/run-format.js';

/**
 * lightning-ir 0.0.6 registers `rank-distillm-rankzephyr`; the configs of the Rank-DistiLLM repository say
 * `rank-distillm-rank-zephyr`. Both name one dataset.
 */
const SPELLINGS: readonly (readonly [string, string])[] = [['rank-distillm-rank-zephyr', 'rank-distillm-rankzephyr']];

/** The spelling that ids are compared in. */
export function canonicalId(id: string): string {
  return SPELLINGS.reduce((text, [other, canonical]) => text.replace(other, canonical), id);
}

/** Ids in file names have dashes for slashes. */
export function dashed(id: string): string {
  return id.replaceAll('/', '-');
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
 * Ids that the name of a run file may stand for, best first. As lightning-ir infers it, the id (with dashes) comes after
 * the last `__`; lightning-ir ends it at the first dot, which is tried second because ids may hold dots.
 */
export function inferredIds(path: string): string[] {
  const stems = [runStem(path), basename(path).split('.')[0]!];
  return [...new Set(stems.map((stem) => stem.split('__').at(-1)!))];
}
