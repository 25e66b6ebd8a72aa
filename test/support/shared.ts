import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Golden files and TREC data lie in a folder beside the checkout, because they are not ours to publish. */
const sharedRoot = process.env['RANK_DISTILLM_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url));

/**
 * Where a golden or data file is (`sharedPath('golden/pairs.jsonl')`), or undefined when this machine does not have it:
 * the caller then leaves its test out and the reason is printed here. With `CI=true` a missing file is a failure, so
 * that CI can never pass by testing nothing.
 */
export function sharedPath(relative: string): string | undefined {
  const path = join(sharedRoot, relative);
  if (existsSync(path)) return path;
  if (process.env['CI'] === 'true') throw new Error(`${path} is missing, and with CI=true no test may be left out`);
  console.log(`left out: needs ${path} (set RANK_DISTILLM_SHARED to the folder that holds it)`);
  return undefined;
}
