import * as assert from 'uvu/assert';
import { RankDistillmError, type ErrorCode } from '../../src/errors.js';

/** Asserts that `work` fails with one clear error: its code, one line that holds all `words`, and a hint. */
export async function refuses(
  work: () => unknown,
  code: ErrorCode,
  ...words: (string | RegExp)[]
): Promise<RankDistillmError> {
  let error: unknown;
  try {
    await work();
  } catch (caught) {
    error = caught;
  }
  if (!(error instanceof RankDistillmError)) throw new Error(`expected ${code}, got ${error}`, { cause: error });
  assert.is(error.code, code, error.message);
  assert.not.match(error.message, /[\r\n]/);
  for (const word of words) {
    if (typeof word === 'string') assert.ok(error.message.includes(word), `"${error.message}" should name "${word}"`);
    else assert.match(error.message, word);
  }
  assert.ok(error.hint, `"${error.message}" has no hint`);
  return error;
}
