import { EVALUATE, RUN, write, type BadInput } from './cases.js';

export const EVALUATION: BadInput[] = [
  {
    what: 'qrels that do not exist',
    code: 'not_found',
    message: /^none\.qrels: no such file/,
    argv: ['evaluate', '--qrels', 'none.qrels', '--run', RUN],
  },
  {
    what: 'qrels that are a folder',
    code: 'io',
    message: /^data: cannot read: is a folder/,
    argv: ['evaluate', '--qrels', 'data', '--run', RUN],
  },
  {
    what: 'empty qrels',
    code: 'bad_input',
    message: /test\.qrels/,
    spoil: write('data/test.qrels', ''),
    argv: EVALUATE,
  },
  {
    what: 'an empty run to evaluate',
    code: 'bad_input',
    message: /tiny-set\.run: the run is empty/,
    spoil: write(RUN, '\n\n'),
    argv: EVALUATE,
  },
  {
    what: 'a run of other topics',
    code: 'bad_input',
    message: /tiny-set\.run: has none of the topics of data\/test\.qrels/,
    spoil: write(RUN, 'x Q0 d0 1 1 x\n'),
    argv: EVALUATE,
  },
  { what: 'a measure nobody knows', code: 'bad_input', message: /ndgc/, argv: [...EVALUATE, '--metrics', 'ndgc'] },
  { what: 'a cut-off of 0', code: 'bad_input', message: /nDCG@0/, argv: [...EVALUATE, '--metrics', 'nDCG@0'] },
  {
    what: 'run and qrels swapped',
    code: 'bad_input',
    message: /tiny-set\.run:1: /,
    argv: ['evaluate', '--qrels', RUN, '--run', 'data/test.qrels'],
  },
];
