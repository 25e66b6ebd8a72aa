import { copyFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../support/cli.js';
import { writeFiles } from '../../support/files.js';
import { copyModel, modelFolder } from '../../support/models.js';
import { writeTrainingCollection } from '../../support/collections.js';
import { append, write, type BadInput } from './cases.js';

const FIT = ['fit', '--config', 'config.yaml'];
/** Errors that come after the summary. */
const WITHOUT_SUMMARY = [...FIT, '--trainer.enable_model_summary=false'];
const CHECKPOINT = 'out/lightning_logs/version_0/checkpoints/epoch=0-step=2';

/** Changes the text of a file. */
const edit = (name: string, change: (text: string) => string) => async (folder: string) =>
  writeFile(join(folder, name), change(await readFile(join(folder, name), 'utf8')));

/** A run of two steps that left a checkpoint. */
async function trained(folder: string): Promise<void> {
  const { code, stderr } = await run([...FIT, '--trainer.max_steps=2'], { cwd: folder });
  if (code !== 0) throw new Error(stderr);
}

const afterTraining = (spoil: (folder: string) => Promise<unknown>) => async (folder: string) => {
  await trained(folder);
  await spoil(folder);
};

/** A copy of the model in which the first numbers of the last tensor are no numbers. */
async function brokenModel(folder: string): Promise<void> {
  await copyModel(join(folder, 'model'));
  const path = join(folder, 'model/model.safetensors');
  const bytes = await readFile(path);
  bytes.fill(0xff, bytes.length - 64);
  await writeFile(path, bytes);
}

const MONITOR = (name: string): string =>
  `--trainer.callbacks+={class_path: ModelCheckpoint, init_args: {monitor: ${name}}}`;

const LOSS = (body: string): string => `export class Mine {\n  compute(scores, targets) {\n    ${body}\n  }\n}\n`;
const OWN_LOSS = [...WITHOUT_SUMMARY, '--model.loss_functions=["./mine.js:Mine"]'];

const CONFIGURATION: BadInput[] = [
  {
    what: 'no training data',
    code: 'bad_input',
    message: /train_dataset: there is nothing to learn from/,
    argv: [...FIT, '--data.train_dataset', 'null'],
  },
  {
    what: 'no batch size',
    code: 'bad_input',
    message: /^config\.yaml:\d+: data\.init_args\.train_batch_size: is missing/,
    spoil: edit('config.yaml', (text) => text.replace('  train_batch_size: 2\n', '')),
  },
  {
    what: 'no loss',
    code: 'bad_input',
    message: /loss_functions: no loss is named/,
    argv: [...FIT, '--model.loss_functions', '[]'],
  },
  {
    what: 'no optimizer',
    code: 'bad_input',
    message: /^config\.yaml:1: optimizer: none is named/,
    spoil: edit('config.yaml', (text) => text.replace(/^optimizer.*$/m, '')),
  },
  {
    what: 'an optimizer that is not built',
    code: 'unsupported',
    message: /^--optimizer: optimizer: SGD is not supported: AdamW is the one optimizer/,
    argv: [...FIT, '--optimizer', 'torch.optim.SGD'],
  },
  {
    what: 'a loss that nobody knows',
    code: 'bad_input',
    message: /unknown class "RankNett"/,
    argv: [...FIT, '--model.loss_functions', '[RankNett]'],
  },
  {
    what: 'a loss of bi-encoders',
    code: 'unsupported',
    message: /InBatchCrossEntropy is not supported: bi-encoders/,
    argv: [...FIT, '--model.loss_functions', '[InBatchCrossEntropy]'],
  },
  {
    what: 'a weight that is NaN',
    code: 'bad_input',
    message: /loss_functions\.0\.1: expected a number, received the number NaN/,
    argv: [...FIT, '--model.loss_functions', '[[RankNet, .nan]]'],
  },
  {
    what: 'WandbLogger',
    code: 'unsupported',
    message: /^--trainer\.logger: trainer\.logger: WandbLogger is not supported: logs are not sent to services/,
    argv: [...FIT, '--trainer.logger', 'WandbLogger'],
  },
  {
    what: 'a share of batches above 1',
    code: 'bad_input',
    message: /^--trainer\.limit_train_batches: .*or a share from 0\.0 to 1\.0.*received the number 1\.5/,
    argv: [...FIT, '--trainer.limit_train_batches', '1.5'],
  },
  {
    what: 'a share that is less than a batch',
    code: 'bad_input',
    message: /^--trainer\.limit_train_batches: trainer\.limit_train_batches: .*less than one batch/,
    argv: [...FIT, '--trainer.limit_train_batches', '0.1'],
  },
  {
    what: 'validations further apart than an epoch is long',
    code: 'bad_input',
    message: /^--trainer\.val_check_interval: trainer\.val_check_interval: .*no validation would run/,
    argv: [...FIT, '--trainer.val_check_interval', '100'],
  },
  {
    what: 'a time that is none',
    code: 'bad_input',
    message: /^--trainer\.max_time: .*expected text like "00:12:00:00"/,
    argv: [...FIT, '--trainer.max_time', '12 hours'],
  },
  {
    what: 'no device',
    code: 'bad_input',
    message: /^--trainer\.devices: trainer\.devices: expected auto, -1, a count or a list of GPUs, received "0"/,
    argv: [...FIT, '--trainer.devices', '0'],
  },
  {
    what: 'hosts that nothing tells apart',
    code: 'bad_input',
    message: /^--trainer\.num_nodes: trainer\.num_nodes: this is one of 2 hosts, but nothing says which/,
    argv: [...FIT, '--trainer.num_nodes', '2'],
  },
  {
    what: 'a precision of CUDA',
    code: 'unsupported',
    message: /precision 16-mixed is not supported/,
    argv: [...FIT, '--trainer.precision', '16-mixed'],
  },
  {
    what: 'a monitor that nobody logs',
    code: 'bad_input',
    message: /^--trainer\.callbacks\+: trainer\.callbacks\.0\.init_args\.monitor: "dev\.run\/nDGC@10" is not logged/,
    argv: [...FIT, MONITOR('dev.run/nDGC@10')],
  },
  {
    what: 'a monitor of a validation that does not take place',
    code: 'bad_input',
    message: /"dev\.run\/nDCG@10" is not logged/,
    argv: [...FIT, MONITOR('dev.run/nDCG@10'), '--data.inference_datasets', 'null'],
  },
  {
    what: 'the best three without a monitor',
    code: 'bad_input',
    message: /save_top_k: without monitor nothing says which 3 checkpoints are the best/,
    argv: [...FIT, '--trainer.callbacks+={class_path: ModelCheckpoint, init_args: {save_top_k: 3}}'],
  },
];

const TARGETS: BadInput[] = [
  {
    what: 'no targets',
    code: 'bad_input',
    message: /^--data\.train_dataset\.targets: .*targets: is not set, so there is nothing to learn/,
    argv: [...FIT, '--data.train_dataset.targets', 'null'],
  },
  {
    what: 'ranks of documents without a rank',
    code: 'bad_input',
    message: /add_docs_not_in_ranking: added documents have no rank/,
    argv: [...FIT, '--data.train_dataset.targets=rank', '--data.train_dataset.add_docs_not_in_ranking=true'],
  },
  {
    what: 'targets below 0 for a loss that takes them as 0',
    code: 'bad_input',
    message: /targets: rank without a depth gives targets below 0, which ApproxNDCG takes as 0/,
    argv: [
      ...FIT,
      '--data.train_dataset.targets=rank',
      '--data.train_dataset.depth=-1',
      '--model.loss_functions=[ApproxNDCG]',
    ],
  },
  {
    what: 'scores that the run does not have',
    code: 'bad_input',
    message: /^data\/train\.jsonl:1: no score, but targets: score needs one/,
    spoil: write(
      'data/train.jsonl',
      Array.from({ length: 8 }, (_, i) => `{"qid": "t0", "docno": "d${i}", "rank": ${i + 1}}\n`).join(''),
    ),
    argv: [
      ...FIT,
      '--data.train_dataset.run_path_or_id=data/train.jsonl',
      '--data.train_dataset.targets=score',
      '--data.train_dataset.sampling_strategy=top',
    ],
  },
  {
    what: 'a score that is NaN',
    code: 'bad_input',
    message: /^data\/train\.run:73: score must be a finite number, found 'nan'/,
    spoil: append('data/train.run', 't0 Q0 d99 13 nan x\n'),
  },
  {
    what: 'no positives',
    code: 'bad_input',
    message: /data\/train\.run: no topic is left to train on; topics without a relevant document, skipped: 6/,
    spoil: edit('data/train.qrels', (text) => text.replaceAll(' 1\n', ' 0\n')),
  },
  {
    what: 'judgements of other topics',
    code: 'bad_input',
    message: /no topic is left to train on; topics without judgements in data\/train\.qrels, skipped: 6/,
    spoil: write('data/train.qrels', 'x 0 d0 1\n'),
  },
  {
    what: 'no judgements',
    code: 'bad_input',
    message: /data\/train\.run: targets: relevance needs judgements, and dataset train has no qrels/,
    argv: [...FIT, '--datasets.train.qrels', 'null'],
  },
  {
    what: 'lists that are too short',
    code: 'bad_input',
    message: /no topic is left to train on; topics with fewer than 50 documents to sample from, skipped: 6/,
    argv: [...FIT, '--data.train_dataset.sample_size', '50'],
  },
  {
    what: 'a sample of one document',
    code: 'bad_input',
    message: /sample_size: a sample of one document has nothing to compare it with/,
    argv: [...FIT, '--data.train_dataset.sample_size', '1'],
  },
  {
    what: 'a document without a text',
    code: 'not_found',
    message: /data\/train\.run:\d+: document 'd3' is not in the collection data\/docs\.tsv/,
    spoil: edit('data/docs.tsv', (text) => text.replace(/^d3\t.*\n/m, '')),
  },
  {
    what: 'a training run that does not exist',
    code: 'not_found',
    message:
      /^--data\.train_dataset\.run_path_or_id: data\.init_args\.train_dataset\.init_args\.run_path_or_id: none\.run: no such run file, nor a dataset/,
    argv: [...FIT, '--data.train_dataset.run_path_or_id', 'none.run'],
  },
  {
    what: 'a validation run that does not exist',
    code: 'not_found',
    message:
      /^config\.yaml:\d+: data\.init_args\.inference_datasets\.0\.init_args\.run_path_or_id: data\/dev\.run: no such run file, nor a dataset/,
    spoil: (folder) => rm(join(folder, 'data/dev.run')),
  },
  {
    what: 'a measure that is watched, without judgements',
    code: 'bad_input',
    message: /dev\.run: has no qrels, so dev\.run\/nDCG@10 cannot be monitored/,
    argv: [
      ...FIT,
      '--datasets.dev.qrels=null',
      '--trainer.callbacks+={class_path: EarlyStopping, init_args: {monitor: dev.run/nDCG@10, mode: max}}',
    ],
  },
  {
    what: 'two validation runs of one name',
    code: 'bad_input',
    message: /^dev\.run: two validation runs have this name/,
    spoil: async (folder) => {
      await mkdir(join(folder, 'other'));
      await copyFile(join(folder, 'data/dev.run'), join(folder, 'other/dev.run'));
    },
    argv: [
      ...FIT,
      '--data.inference_datasets=[{run_path_or_id: data/dev.run, dataset: dev}, {run_path_or_id: other/dev.run, dataset: dev}]',
    ],
  },
  {
    what: 'tuples that nobody registered',
    code: 'not_found',
    message: /tuples_dataset.*'my\/tuples'/,
    argv: [...FIT, '--data.train_dataset={class_path: TupleDataset, init_args: {tuples_dataset: my/tuples}}'],
  },
  {
    what: 'a dataset without tuples',
    code: 'bad_input',
    message: /dataset train has no docpairs, which TupleDataset needs/,
    argv: [...FIT, '--data.train_dataset={class_path: TupleDataset, init_args: {tuples_dataset: train}}'],
  },
];

const VALUES: BadInput[] = [
  {
    what: 'a model whose weights are NaN',
    code: 'bad_input',
    message: /^step 1: the score is NaN \(query 't\d', document 'd\d+'\)/,
    spoil: brokenModel,
    argv: [...WITHOUT_SUMMARY, '--model.model_name_or_path=model', '--data.inference_datasets=null'],
  },
  {
    what: 'a loss of your own that is not there',
    code: 'not_found',
    message: /\.\/mine\.js:Mine: there is no file/,
    argv: OWN_LOSS,
  },
  {
    what: 'a loss of your own under another name',
    code: 'bad_input',
    message: /\.\/mine\.js:Mine: the module exports no "Mine"/,
    spoil: write('mine.js', LOSS('return 0;').replace('Mine', 'Other')),
    argv: OWN_LOSS,
  },
  {
    what: 'a loss of your own with a gradient of another length',
    code: 'bad_input',
    message: /Mine.*gradient/,
    spoil: write('mine.js', LOSS('return { value: 1, gradient: new Float64Array(1) };')),
    argv: OWN_LOSS,
  },
  {
    what: 'a loss of your own that is NaN',
    code: 'bad_input',
    message: /^step 1: the Mine is NaN \(queries 't\d', 't\d'; documents /,
    spoil: write('mine.js', LOSS('return { value: NaN, gradient: new Float64Array(scores.values.length) };')),
    argv: OWN_LOSS,
  },
];

const RESUMING: BadInput[] = [
  {
    what: "Lightning's checkpoint",
    code: 'unsupported',
    message: /^--ckpt_path: ckpt_path: Lightning's \.ckpt files are not read/,
    argv: [...FIT, '--ckpt_path', 'last.ckpt'],
  },
  {
    what: 'a checkpoint that does not exist',
    code: 'not_found',
    message: /^--ckpt_path: ckpt_path: nowhere/,
    argv: [...FIT, '--ckpt_path', 'nowhere'],
  },
  {
    what: 'a checkpoint that is a model and no more',
    code: 'bad_input',
    message: /^--ckpt_path: ckpt_path: model/,
    spoil: (folder) => copyModel(join(folder, 'model')),
    argv: [...FIT, '--ckpt_path', 'model'],
  },
  {
    what: 'a checkpoint of another architecture',
    code: 'bad_input',
    message: /epoch=0-step=2: was saved by another run: the model was \S+ \([0-9a-f]{8}\) and is now \S+mono-bert \(/,
    spoil: trained,
    argv: [...FIT, '--ckpt_path', CHECKPOINT, '--model.model_name_or_path', modelFolder('mono-bert')],
  },
  {
    what: 'a checkpoint of a run with other batches',
    code: 'bad_input',
    message: /epoch=0-step=2: was saved by another run: the batch size was 2 and is now 3/,
    spoil: trained,
    argv: [...FIT, '--ckpt_path', CHECKPOINT, '--data.train_batch_size', '3'],
  },
  {
    what: 'a checkpoint whose weights are cut off',
    code: 'bad_input',
    message: /epoch=0-step=2\/model\.safetensors/,
    spoil: afterTraining((folder) => truncate(join(folder, CHECKPOINT, 'model.safetensors'), 20_000)),
    argv: [...FIT, '--ckpt_path', CHECKPOINT],
  },
];

const OUTPUT: BadInput[] = [
  {
    what: 'a root that is a file',
    code: 'io',
    message: /^config\.yaml\/lightning_logs: cannot write: part of the path is a file/,
    argv: [...FIT, '--trainer.default_root_dir', 'config.yaml'],
  },
  {
    what: 'a root that nobody may write to',
    code: 'io',
    message: /^\/proc\/lightning_logs: cannot write/,
    argv: [...FIT, '--trainer.default_root_dir', '/proc'],
  },
  {
    what: 'a folder of checkpoints that is a file',
    code: 'io',
    message: /^data\/docs\.tsv.*: cannot write/,
    argv: [...FIT, '--trainer.callbacks+={class_path: ModelCheckpoint, init_args: {dirpath: data/docs.tsv}}'],
  },
  {
    what: 'logs into a version that is a file',
    code: 'io',
    message: /logs\/mine.*: cannot write/,
    spoil: (folder) => writeFiles(folder, { 'logs/mine': 'a file' }),
    argv: [...FIT, '--trainer.logger={class_path: CSVLogger, init_args: {save_dir: logs, name: "", version: mine}}'],
  },
];

export const FITTING: BadInput[] = [...CONFIGURATION, ...TARGETS, ...VALUES, ...RESUMING, ...OUTPUT].map((bad) => ({
  prepare: (folder: string) => writeTrainingCollection(folder),
  argv: FIT,
  ...bad,
}));
