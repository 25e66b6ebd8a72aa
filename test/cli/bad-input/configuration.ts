import { append, RE_RANK, write, type BadInput } from './cases.js';

export const CONFIGURATION: BadInput[] = [
  {
    what: 'a configuration that does not exist',
    code: 'not_found',
    message: /^nowhere\.yaml: no such file/,
    argv: ['re_rank', '--config', 'nowhere.yaml'],
  },
  {
    what: 'a configuration that is a folder',
    code: 'io',
    message: /^data: cannot read: is a folder/,
    argv: ['re_rank', '--config', 'data'],
  },
  {
    what: 'a configuration that is not UTF-8',
    code: 'bad_input',
    message: /^config\.yaml: not valid UTF-8/,
    spoil: write('config.yaml', Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe])),
  },
  {
    what: 'broken YAML',
    code: 'bad_input',
    message: /^config\.yaml:3: /,
    spoil: write('config.yaml', 'trainer:\n  a: [1,\nmodel: {}\n'),
  },
  {
    what: 'an unknown YAML key',
    code: 'bad_input',
    message: /^config\.yaml:9: unknown key "trianer"/,
    spoil: append('config.yaml', 'trianer: {precision: 32}\n'),
  },
  {
    what: 'a wrong type',
    code: 'bad_input',
    message: /^config\.yaml:9: trainer\.enable_progress_bar: expected true or false.*received the text "sometimes"/,
    spoil: append('config.yaml', 'trainer: {enable_progress_bar: sometimes}\n'),
  },
  {
    what: 'a wrong type on the command line',
    code: 'bad_input',
    message: /^--data\.inference_batch_size: .*expected a whole number.*received the text "x"/,
    argv: [...RE_RANK, '--data.inference_batch_size', 'x'],
  },
  {
    what: 'an unknown class',
    code: 'bad_input',
    message: /unknown class "ReRankCalback"/,
    argv: [...RE_RANK, '--trainer.callbacks+=ReRankCalback'],
  },
  {
    what: 'a Python class of somebody',
    code: 'unsupported',
    message: /cannot load the Python class "mine\.Callback"/,
    argv: [...RE_RANK, '--trainer.callbacks+=mine.Callback'],
  },
  {
    what: 'a bi-encoder',
    code: 'unsupported',
    message: /bi-encoders are not part of this package/,
    argv: [...RE_RANK, '--model', 'BiEncoderModule'],
  },
  {
    what: 'no model',
    code: 'bad_input',
    message: /model_name_or_path: no model is named/,
    argv: [...RE_RANK, '--model.model_name_or_path', 'null'],
  },
  {
    what: 'no dataset',
    code: 'bad_input',
    message: /there is nothing to re-rank/,
    argv: [...RE_RANK, '--data.inference_datasets', '[]'],
  },
  {
    what: 'a precision that needs CUDA',
    code: 'unsupported',
    message: /^--trainer\.precision: trainer\.precision: precision 16-mixed is not supported/,
    argv: [...RE_RANK, '--trainer.precision', '16-mixed'],
  },
  {
    what: 'a GPU',
    code: 'unsupported',
    message: /^--trainer\.accelerator: trainer\.accelerator: cuda: no GPU was found/,
    argv: [...RE_RANK, '--trainer.accelerator', 'gpu'],
  },
  {
    what: 'a Lightning checkpoint',
    code: 'unsupported',
    message: /\.ckpt files are not read/,
    argv: [...RE_RANK, '--ckpt_path', 'x.ckpt'],
  },
  {
    what: 'an unknown measure',
    code: 'bad_input',
    message: /nDGC@10/,
    argv: [...RE_RANK, '--model.evaluation_metrics', '[nDGC@10]'],
  },
  {
    what: 'a sampling strategy of training',
    code: 'unsupported',
    message: /sampling_strategy: "random" is for training only/,
    argv: [...RE_RANK, '--data.inference_datasets.sampling_strategy', 'random'],
  },
  {
    what: 'two ReRankCallbacks',
    code: 'bad_input',
    message: /a second ReRankCallback/,
    argv: [...RE_RANK, '--trainer.callbacks=[ReRankCallback, ReRankCallback]'],
  },
  {
    what: 'a dataset registered twice',
    code: 'bad_input',
    message: /"tiny-set" is registered twice/,
    argv: [
      ...RE_RANK,
      '--trainer.callbacks+={class_path: RegisterLocalDatasetCallback, init_args: {dataset_id: tiny-set}}',
    ],
  },
];
