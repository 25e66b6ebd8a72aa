import type { Command } from 'commander';
import { RankDistillmError } from '../errors.js';

/** Commands of lightning-ir that are known and not here, with the reason and the way on. */
const VERBS = [
  {
    name: 'index',
    message: 'index is not part of rank-distillm, which re-ranks with cross-encoders',
    hint: 'Make a first-stage run with another tool, for example Pyserini, and re-rank it with re_rank.',
  },
  {
    name: 'search',
    message: 'search is not part of rank-distillm, which re-ranks with cross-encoders',
    hint: 'Make a first-stage run with another tool, for example Pyserini, and re-rank it with re_rank.',
  },
] as const;

export function addNotBuiltCommands(program: Command): void {
  for (const { name, message, hint } of VERBS) {
    program
      .command(name)
      .summary('not part of this release')
      .description(`${message}. ${hint}`)
      .allowUnknownOption()
      .allowExcessArguments()
      .action(() => {
        throw new RankDistillmError('unsupported', message, { hint });
      });
  }
}
