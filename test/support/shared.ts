import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Golden files and TREC data are in a folder beside the checkout, because they are not ours to publish. */
const sharedRoot = process.env['RANK_DISTILLM_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url));
const hasShared = process.env['RANK_DISTILLM_SHARED'] !== undefined || existsSync(join(sharedRoot, 'golden'));

/**
 * Where a golden or data file is (`sharedPath('golden/pairs.jsonl')`), or undefined on a machine without the folder: the
 * caller then skips its tests, and a line here names what they need. With the folder none is skipped for want of a file:
 * a missing one is an error.
 */
export function sharedPath(relative: string): string | undefined {
  const path = join(sharedRoot, relative);
  if (existsSync(path)) return path;
  if (hasShared) throw new Error(`${path} is missing from the shared folder`);
  console.log(
    `left out: tests with shared/${relative}, which is not published (RANK_DISTILLM_SHARED names the folder)`,
  );
  return undefined;
}

const script = fileURLToPath(new URL('../../scripts/references/check_saved_model.py', import.meta.url));

/** What check_saved_model.py prints of a pair, see there. */
export interface OriginalScore {
  score: number;
  first_row: number[];
  score_from_hidden?: number;
  hidden_difference?: number;
  source_difference?: number;
}

/**
 * A Python that has torch, transformers and lightning-ir, named by RANK_DISTILLM_PYTHON. undefined, and a word why, where
 * none is named: no part of this package needs one.
 */
export function pythonWithOriginals(): string | undefined {
  const python = process.env['RANK_DISTILLM_PYTHON'];
  if (python) return python;
  console.log('left out: needs RANK_DISTILLM_PYTHON, a Python with lightning-ir (scripts/references/common.py)');
  return undefined;
}

export function scoreWithOriginals(
  python: string,
  folder: string,
  pairs: string,
  options: readonly string[] = [],
): OriginalScore[] {
  const output = execFileSync(python, [script, folder, pairs, ...options], {
    encoding: 'utf8',
    env: { ...process.env, HF_HUB_OFFLINE: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
  });
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as OriginalScore);
}
