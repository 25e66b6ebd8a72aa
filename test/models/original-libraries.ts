import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

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
  console.log(
    'left out: needs RANK_DISTILLM_PYTHON, a Python with lightning-ir (scripts/references/make_references.py)',
  );
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
