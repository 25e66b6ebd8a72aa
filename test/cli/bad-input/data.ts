import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { append, RE_RANK, replaceByFolder, RUN, write, type BadInput } from './cases.js';

export const DATA: BadInput[] = [
  {
    what: 'a run that does not exist',
    code: 'not_found',
    message:
      /^config\.yaml:5: data\.init_args\.inference_datasets\.0\.init_args\.run_path_or_id: data\/__bm25__tiny-set\.run: no such run file/,
    spoil: (folder) => rm(join(folder, RUN)),
  },
  {
    what: 'a run that is a folder',
    code: 'not_found',
    message:
      /^config\.yaml:5: data\.init_args\.inference_datasets\.0\.init_args\.run_path_or_id: data\/__bm25__tiny-set\.run: is a folder/,
    spoil: replaceByFolder(RUN),
  },
  { what: 'an empty run', code: 'bad_input', message: /tiny-set\.run: the run is empty/, spoil: write(RUN, '') },
  {
    what: 'a run with the columns of qrels',
    code: 'bad_input',
    message: /tiny-set\.run:1: a run line has 6 columns.*found 4/,
    spoil: write(RUN, 'q0 0 d0 1\n'),
  },
  {
    what: 'a run with a header',
    code: 'bad_input',
    message: /tiny-set\.run:1: rank must be a whole number, found 'rank'/,
    spoil: write(RUN, 'qid Q0 docid rank score tag\nq0 Q0 d0 1 2 x\n'),
  },
  {
    what: 'a score that is no number',
    code: 'bad_input',
    message: /tiny-set\.run:13: score must be a finite number, found 'high'/,
    spoil: append(RUN, 'q1 Q0 d9 1 high x\n'),
  },
  {
    what: 'a score that is NaN',
    code: 'bad_input',
    message: /tiny-set\.run:13: score must be a finite number, found 'nan'/,
    spoil: append(RUN, 'q1 Q0 d9 1 nan x\n'),
  },
  {
    what: 'a document twice',
    code: 'bad_input',
    message: /tiny-set\.run:13: document 'd0' occurs twice for topic 'q1', first at .*tiny-set\.run:7/,
    spoil: append(RUN, 'q1 Q0 d0 7 1 x\n'),
  },
  {
    what: 'a document that the collection lacks',
    code: 'not_found',
    message: /tiny-set\.run:13: document 'd77' is not in the collection data\/docs\.tsv/,
    spoil: append(RUN, 'q1 Q0 d77 7 1 x\n'),
  },
  {
    what: 'a topic without query',
    code: 'not_found',
    message: /tiny-set\.run:7: query 'q1' is not in data\/queries\.tsv/,
    spoil: write('data/queries.tsv', 'q0\tone\n'),
  },
  {
    what: 'a run that is not UTF-8',
    code: 'bad_input',
    message: /tiny-set\.run:2: the text is not valid UTF-8/,
    spoil: write(RUN, Buffer.concat([Buffer.from('q0 Q0 d0 1 2 x\n'), Buffer.from('q0 Q0 d\xe4 2 1 x\n', 'latin1')])),
  },
  {
    what: 'a gzip that is cut off',
    code: 'bad_input',
    message: /tiny-set\.run: the gzip data is damaged or truncated/,
    spoil: write(RUN, gzipSync('q0 Q0 d0 1 2 x\n'.repeat(50)).subarray(0, 30)),
  },
  {
    what: 'a line of JSON that is none',
    code: 'bad_input',
    message: /a__tiny-set\.jsonl:2: /,
    spoil: write('data/a__tiny-set.jsonl', '{"qid": "q0", "docno": "d0", "score": 1}\n{"qid":\n'),
    argv: [...RE_RANK, '--data.inference_datasets.run_path_or_id', 'data/a__tiny-set.jsonl'],
  },
  {
    what: 'a JSON run without documents',
    code: 'bad_input',
    message: /a__tiny-set\.jsonl:1: no document id/,
    spoil: write('data/a__tiny-set.jsonl', '{"qid": "q0", "score": 1}\n'),
    argv: [...RE_RANK, '--data.inference_datasets.run_path_or_id', 'data/a__tiny-set.jsonl'],
  },
  {
    what: 'a Parquet file that is none',
    code: 'bad_input',
    message: /a__tiny-set\.parquet: not a Parquet file/,
    spoil: write('data/a__tiny-set.parquet', 'PARR'),
    argv: [...RE_RANK, '--data.inference_datasets.run_path_or_id', 'data/a__tiny-set.parquet'],
  },
  {
    what: 'a Parquet file that is cut off',
    code: 'bad_input',
    message: /a__tiny-set\.parquet/,
    spoil: write('data/a__tiny-set.parquet', 'PAR1 and then nothing'),
    argv: [...RE_RANK, '--data.inference_datasets.run_path_or_id', 'data/a__tiny-set.parquet'],
  },
  {
    what: 'an id that nobody registered',
    code: 'not_found',
    message: /no dataset is registered as 'other-set'/,
    argv: [...RE_RANK, '--data.inference_datasets.dataset', 'other-set'],
  },
  {
    what: 'a run whose name says no dataset',
    code: 'not_found',
    message: /bm25\.run: no dataset is registered as 'bm25'/,
    spoil: (folder) => rename(join(folder, RUN), join(folder, 'data/bm25.run')),
    argv: [...RE_RANK, '--data.inference_datasets.run_path_or_id', 'data/bm25.run'],
  },
  {
    what: 'a document id that a TREC run cannot hold',
    code: 'bad_input',
    message: /a__tiny-set\.jsonl:1: the document id 'd 9' is empty or contains white space/,
    spoil: async (folder) => {
      await append('data/docs.tsv', 'd 9\ta text\n')(folder);
      await write('data/a__tiny-set.jsonl', '{"query_id":"q1","doc_id":"d 9","rank":1,"score":1}\n')(folder);
    },
    argv: [...RE_RANK, '--data.inference_datasets.run_path_or_id', 'data/a__tiny-set.jsonl'],
  },
  {
    what: 'a collection that does not exist',
    code: 'not_found',
    message: /data\/docs\.tsv: no such file/,
    spoil: (folder) => rm(join(folder, 'data/docs.tsv')),
  },
  {
    what: 'a collection that is a folder',
    code: 'io',
    message: /data\/docs\.tsv: cannot read: is a folder/,
    spoil: replaceByFolder('data/docs.tsv'),
  },
  {
    what: 'a collection without tabs',
    code: 'bad_input',
    message: /data\/docs\.tsv:2/,
    spoil: write('data/docs.tsv', 'd0\tone\nd1 two\n'),
  },
  {
    what: 'two texts of one document',
    code: 'bad_input',
    message: /data\/docs\.tsv:7: .*'d0'/,
    spoil: append('data/docs.tsv', 'd0\tanother text\n'),
  },
  { what: 'an empty collection', code: 'bad_input', message: /data\/docs\.tsv/, spoil: write('data/docs.tsv', '') },
  {
    what: 'queries that do not exist',
    code: 'not_found',
    message: /data\/queries\.tsv: no such file/,
    spoil: (folder) => rm(join(folder, 'data/queries.tsv')),
  },
  {
    what: 'a query twice',
    code: 'bad_input',
    message: /data\/queries\.tsv:7: query 'q0' occurs twice/,
    spoil: append('data/queries.tsv', 'q0\tanother query\n'),
  },
  {
    what: 'qrels of five columns',
    code: 'bad_input',
    message: /data\/test\.qrels:1/,
    spoil: write('data/test.qrels', 'q0 0 d0 1 1\n'),
  },
  {
    what: 'a grade that is no number',
    code: 'bad_input',
    message: /data\/test\.qrels:5: .*'good'/,
    spoil: append('data/test.qrels', 'q1 0 d3 good\n'),
  },
  {
    what: 'qrels of other topics',
    code: 'bad_input',
    message: /no topic is left to score; topics without judgements in data\/test\.qrels, skipped: 2/,
    spoil: write('data/test.qrels', 'x 0 d0 1\n'),
  },
];
