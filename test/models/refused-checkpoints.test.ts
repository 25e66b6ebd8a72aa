import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCheckpoint, type LoadOptions } from '../../src/models/load-checkpoint.js';
import type { ErrorCode } from '../../src/errors.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';
import { changedModel, REFERENCES } from '../support/models.js';
import { addTensor, renameTensors } from '../support/safetensors.js';

const test = suite('model folders that are refused');

type Edit = (folder: string) => void;

interface Refusal {
  what: string;
  from?: string;
  config?: Record<string, unknown>;
  edit?: Edit;
  options?: LoadOptions;
  code: ErrorCode;
  message: RegExp;
}

const UNSUPPORTED: [config: Record<string, unknown>, message: RegExp][] = [
  [{ model_type: 'set-encoder', architectures: ['SetEncoderElectraModel'] }, /set-encoder models are not supported/],
  [{ model_type: 't5', backbone_model_type: undefined }, /T5 models/],
  [{ backbone_model_type: 't5' }, /T5 models/],
  [{ backbone_model_type: 'mt5' }, /T5 models/],
  [{ use_adapter: true }, /use_adapter: models with adapters/],
  [{ adapter_config: { r: 8 } }, /adapter_config: models with adapters/],
  [{ pretrained_adapter_name_or_path: 'x/y' }, /pretrained_adapter_name_or_path: models with adapters/],
  [{ model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'], backbone_model_type: undefined }, /decoder models/],
  [{ is_decoder: true }, /decoder models are not supported/],
  [{ model_type: 'bart', architectures: ['BartModel'], backbone_model_type: undefined }, /encoder-decoder models/],
  [{ model_type: 'col' }, /is a bi-encoder \(col\): .* needs a cross-encoder/],
  [{ backbone_model_type: 'deberta-v2' }, /family deberta-v2 are not supported yet/],
  [
    { model_type: 'modernbert', backbone_model_type: undefined, architectures: ['X'] },
    /family modernbert are not supported yet/,
  ],
  [{ model_type: undefined, backbone_model_type: undefined, architectures: ['DebertaModel'] }, /family DebertaModel/],
];

const REFUSALS: Refusal[] = [
  ...UNSUPPORTED.map(([config, message]): Refusal => ({
    what: JSON.stringify(config),
    config,
    code: 'unsupported',
    message,
  })),
  {
    what: 'an unknown activation',
    config: { hidden_act: 'silu' },
    code: 'bad_input',
    message: /hidden_act: silu is not supported/,
  },
  {
    what: 'relative positions',
    config: { position_embedding_type: 'relative_key' },
    code: 'bad_input',
    message: /position_embedding_type: relative_key is not supported/,
  },
  {
    what: 'heads that do not divide',
    config: { num_attention_heads: 5 },
    code: 'bad_input',
    message: /5 does not divide hidden_size 32/,
  },
  {
    what: 'a wrong type',
    config: { hidden_size: '32' },
    code: 'bad_input',
    message: /hidden_size: expected a whole number/,
  },
  { what: 'no layers', config: { num_hidden_layers: 0 }, code: 'bad_input', message: /num_hidden_layers: expected/ },
  { what: 'a billion layers', config: { num_hidden_layers: 1e9 }, code: 'bad_input', message: /num_hidden_layers/ },
  {
    what: 'an unknown pooling',
    config: { pooling_strategy: 'last' },
    code: 'bad_input',
    message: /pooling_strategy: last/,
  },
  { what: 'an unknown scoring', config: { scoring_strategy: 'x' }, code: 'bad_input', message: /scoring_strategy: x/ },
  {
    what: 'weights of another size',
    config: { intermediate_size: 21 },
    code: 'bad_input',
    message: /intermediate\.dense\.weight: expected shape \[21, 32\], found \[20, 32\]/,
  },
  {
    what: 'another vocabulary',
    config: { vocab_size: 30522 },
    code: 'bad_input',
    message: /word_embeddings\.weight: expected shape \[30522, 16\], found \[\d+, 16\]/,
  },
  {
    what: 'a missing tensor',
    edit: (folder) => renameTensors(folder, (name) => (name === 'linear.weight' ? undefined : name)),
    code: 'bad_input',
    message: /tensor linear\.weight is missing: expected shape \[1, 32\], found none/,
  },
  {
    what: 'a bias that the config promises',
    config: { linear_bias: true },
    code: 'bad_input',
    message: /tensor linear\.bias is missing/,
  },
  {
    what: 'the same tensor twice',
    edit: (folder) => addTensor(folder, 'electra.embeddings.LayerNorm.gamma', [16]),
    code: 'bad_input',
    message: /are the same tensor/,
  },
  {
    what: 'one label too few for scoring mono',
    config: { scoring_strategy: 'mono' },
    code: 'bad_input',
    message: /linear\.weight: expected shape \[2, 32\], found \[1, 32\]/,
  },
  {
    what: 'a label on a model without labels',
    options: { label: 0 },
    code: 'bad_input',
    message: /gives one score, not labels/,
  },
  {
    what: 'three labels and none named',
    from: 'electra-classification-3',
    code: 'bad_input',
    message: /has 3 labels: 0 \(bad\), 1 \(fair\), 2 \(good\)/,
  },
  {
    what: 'a label that does not exist',
    from: 'electra-classification-3',
    options: { label: 'great' },
    code: 'bad_input',
    message: /label "great" is not one of 0 \(bad\)/,
  },
  {
    what: 'a label past the last',
    from: 'electra-classification-3',
    options: { label: 3 },
    code: 'bad_input',
    message: /label 3/,
  },
  {
    what: 'a token classifier',
    config: { architectures: ['ElectraForTokenClassification'], model_type: 'electra', backbone_model_type: undefined },
    code: 'bad_input',
    message: /ElectraForTokenClassification gives no score/,
  },
  {
    what: 'a LoRA adapter beside the weights',
    edit: (folder) => writeFileSync(join(folder, 'adapter_config.json'), '{}'),
    code: 'unsupported',
    message: /adapter/,
  },
  {
    what: 'no weights',
    edit: (folder) => rmSync(join(folder, 'model.safetensors')),
    code: 'not_found',
    message: /has neither model\.safetensors/,
  },
  {
    what: 'no config.json',
    edit: (folder) => rmSync(join(folder, 'config.json')),
    code: 'not_found',
    message: /not a model folder/,
  },
  {
    what: 'a config.json that is not JSON',
    edit: (folder) => writeFileSync(join(folder, 'config.json'), '{"a": '),
    code: 'bad_input',
    message: /config\.json: is not JSON/,
  },
  {
    what: 'a config.json with a comma too few',
    edit: (folder) => writeFileSync(join(folder, 'config.json'), '{"a": 1,\n"b": 2\n"c": 3}'),
    code: 'bad_input',
    message: /config\.json:3: is not JSON: [^\n]+$/,
  },
  {
    what: 'a config.json with a word too many',
    edit: (folder) => writeFileSync(join(folder, 'config.json'), '{"a":\nx\n}'),
    code: 'bad_input',
    message: /config\.json: is not JSON: [^\n]+$/,
  },
  {
    what: 'a config.json of 17 MiB',
    edit: (folder) => writeFileSync(join(folder, 'config.json'), ' '.repeat(17 << 20)),
    code: 'bad_input',
    message: /config\.json: 17825792 bytes are too many/,
  },
  {
    what: 'weights that are a folder',
    edit: (folder) => {
      rmSync(join(folder, 'model.safetensors'));
      mkdirSync(join(folder, 'model.safetensors'));
    },
    code: 'io',
    message: /model\.safetensors: cannot read: is a folder/,
  },
  {
    what: 'a shard outside the folder',
    from: 'sharded-safetensors',
    edit: (folder) =>
      writeFileSync(
        join(folder, 'model.safetensors.index.json'),
        '{"weight_map": {"linear.weight": "../model.safetensors"}}',
      ),
    code: 'bad_input',
    message: /weight_map: "linear\.weight": expected the name of a file in .*, found "\.\.\/model/,
  },
  {
    what: 'a missing shard',
    from: 'sharded-safetensors',
    edit: (folder) => rmSync(join(folder, 'model-00002-of-00003.safetensors')),
    code: 'not_found',
    message: /model-00002-of-00003\.safetensors: no such file/,
  },
  {
    what: 'a shard without its tensor',
    from: 'sharded-safetensors',
    edit: (folder) =>
      writeFileSync(
        join(folder, 'model.safetensors.index.json'),
        '{"weight_map": {"other.weight": "model-00001-of-00003.safetensors"}}',
      ),
    code: 'bad_input',
    message: /does not hold tensor "other\.weight"/,
  },
];

for (const { what, from = 'mono-rank', config, edit, options, code, message } of REFUSALS) {
  test(`refused: ${what}`, async () => {
    const folder = changedModel(from, config);
    edit?.(folder);
    await refuses(() => loadCheckpoint(folder, options), code, message);
  });
}

test('a .ckpt file names the folder that lightning-ir saves beside it', async () => {
  const path = join(temporaryFolder(), 'epoch=0-step=5.ckpt');
  writeFileSync(path, 'PK');
  let hint = '';
  await loadCheckpoint(path).catch((error: { hint: string }) => (hint = error.hint));
  assert.match(hint, /\.ckpt files are not read: name the folder huggingface_checkpoint/);
});

test('a file, a missing folder and no name at all', async () => {
  await refuses(
    () => loadCheckpoint(join(REFERENCES, 'mono-rank/config.json')),
    'bad_input',
    /is a file, not a model folder/,
  );
  await refuses(() => loadCheckpoint('./no/such/folder'), 'not_found', /no such model folder/);
  for (const [url, id] of [
    ['https://huggingface.co/webis/monoelectra-base', 'webis/monoelectra-base'],
    ['https://huggingface.co/webis/monoelectra-base/tree/main?library=x', 'webis/monoelectra-base'],
    ['hf.co/webis/monoelectra-base.git', 'webis/monoelectra-base'],
    ['https://huggingface.co/webis/a/blob/v1.0/config.json', 'webis/a@v1.0'],
  ] as const) {
    const error = await refuses(() => loadCheckpoint(url), 'bad_input', /is an address/);
    assert.is(error.hint, `Name the model by its id: ${id}.`);
  }
  await refuses(() => loadCheckpoint(''), 'bad_input', /expected a folder or a Hugging Face id/);
});

test.run();
