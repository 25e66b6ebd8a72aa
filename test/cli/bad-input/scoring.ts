import { writeFiles } from '../../support/files.js';
import { SCORE, write, type BadInput } from './cases.js';

const GOOD_PAIR = '{"query": "a", "document": "b"}\n';

export const SCORING: BadInput[] = [
  { what: 'pairs that do not exist', code: 'not_found', message: /^pairs\.jsonl: no such file/, argv: SCORE },
  {
    what: 'pairs that are a folder',
    code: 'io',
    message: /^pairs\.jsonl: cannot read: is a folder/,
    spoil: (folder) => writeFiles(folder, { 'pairs.jsonl': null }),
    argv: SCORE,
  },
  {
    what: 'a pair that is no JSON',
    code: 'bad_input',
    message: /^pairs\.jsonl:2: not valid JSON/,
    spoil: write('pairs.jsonl', `${GOOD_PAIR}query,document\n`),
    argv: SCORE,
  },
  {
    what: 'a pair with a line end in what is no JSON',
    code: 'bad_input',
    message: /^pairs\.jsonl:1: not valid JSON .*x\\r}/,
    spoil: write('pairs.jsonl', '{"query": x\r}\n'),
    argv: SCORE,
  },
  {
    what: 'a pair that is a list',
    code: 'bad_input',
    message: /^pairs\.jsonl:1: expected a JSON object/,
    spoil: write('pairs.jsonl', '["a", "b"]\n'),
    argv: SCORE,
  },
  {
    what: 'a pair without document',
    code: 'bad_input',
    message: /^pairs\.jsonl:2: document: expected a text, keys found: query, passage/,
    spoil: write('pairs.jsonl', `${GOOD_PAIR}{"query": "a", "passage": "b"}\n`),
    argv: SCORE,
  },
  {
    what: 'a query that is a number',
    code: 'bad_input',
    message: /^pairs\.jsonl:1: query: expected a text, received number/,
    spoil: write('pairs.jsonl', '{"query": 1, "document": "b"}\n'),
    argv: SCORE,
  },
  {
    what: 'pairs that are not UTF-8',
    code: 'bad_input',
    message: /^pairs\.jsonl:2: .*UTF-8/,
    spoil: write('pairs.jsonl', Buffer.concat([Buffer.from(GOOD_PAIR), Buffer.from([0x22, 0xff, 0x22, 10])])),
    argv: SCORE,
  },
  {
    what: 'scores over the pairs',
    code: 'bad_input',
    message: /^pairs\.jsonl: would overwrite the input/,
    spoil: write('pairs.jsonl', GOOD_PAIR),
    argv: [...SCORE, '--output', 'pairs.jsonl'],
  },
  {
    what: 'scores into a file as if it were a folder',
    code: 'io',
    message: /^config\.yaml\/scores\.jsonl: cannot write/,
    spoil: write('pairs.jsonl', GOOD_PAIR),
    argv: [...SCORE, '--output', 'config.yaml/scores.jsonl'],
  },
  {
    what: 'scores to a folder',
    code: 'io',
    message: /^data: cannot write: is a folder/,
    spoil: write('pairs.jsonl', GOOD_PAIR),
    argv: [...SCORE, '--output', 'data'],
  },
  {
    what: 'a precision that does not exist',
    code: 'bad_input',
    message: /^--precision: unknown precision "fp8"/,
    spoil: write('pairs.jsonl', GOOD_PAIR),
    argv: [...SCORE, '--precision', 'fp8'],
  },
  {
    what: 'a device that does not exist',
    code: 'bad_input',
    message: /^--device: expected auto, cpu, cuda or cuda:N, received "gpu"/,
    argv: [...SCORE, '--device', 'gpu'],
  },
  {
    what: 'a label of a model without labels',
    code: 'bad_input',
    message: /label "1": this model gives one score/,
    spoil: write('pairs.jsonl', GOOD_PAIR),
    argv: [...SCORE, '--label', '1'],
  },
];
