import { RankDistillmError } from '../errors.js';
import { nearestHint } from './nearest.js';

/** Every name of an options object: an object of `true`, so that the compiler sees one that is missing. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/**
 * Refuses misspelt options, which a caller without types would take for set.
 *
 * @throws RankDistillmError `bad_input`
 */
export function checkOptionNames<Options extends object>(
  given: Options,
  known: OptionNames<Options>,
  what: string,
): void {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(known, name)) continue;
    throw new RankDistillmError('bad_input', `${what}: unknown option '${name}'`, {
      hint: nearestHint(name, Object.keys(known), 'option', 'docs/api.md'),
    });
  }
}
