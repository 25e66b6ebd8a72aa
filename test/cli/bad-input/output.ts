import { RE_RANK, type BadInput } from './cases.js';

export const OUTPUTS: BadInput[] = [
  {
    what: 'a save_dir that is a file',
    code: 'io',
    message: /^data\/docs\.tsv\/__bm25__tiny-set\.run: cannot write/,
    argv: [...RE_RANK, '--trainer.callbacks+=ReRankCallback', '--trainer.callbacks.save_dir', 'data/docs.tsv'],
  },
  {
    what: 'a save_dir that nobody may write to',
    code: 'io',
    message: /^\/proc\/__bm25__tiny-set\.run: cannot write/,
    argv: [...RE_RANK, '--trainer.callbacks+=ReRankCallback', '--trainer.callbacks.save_dir', '/proc'],
  },
  {
    what: 'an output that is a folder',
    code: 'io',
    message: /^data: cannot write: is a folder/,
    argv: [
      ...RE_RANK,
      '--trainer.callbacks+=ReRankCallback',
      '--trainer.callbacks.save_dir=.',
      '--trainer.callbacks.run_name=data',
      '--trainer.callbacks.overwrite=true',
    ],
  },
  {
    what: 'an output over the input',
    code: 'bad_input',
    message: /^data\/__bm25__tiny-set\.run: would overwrite the input/,
    argv: [...RE_RANK, '--trainer.callbacks+=ReRankCallback', '--trainer.callbacks.save_dir', 'data'],
  },
];
