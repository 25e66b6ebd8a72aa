import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { HeadConfig, Pooling } from '../../binding.js';
import { loadCheckpoint, type LoadOptions } from '../../src/models/load-checkpoint.js';
import type { ErrorCode } from '../../src/errors.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';
import { changedModel, REFERENCES } from '../support/models.js';
import { addTensor, renameTensors } from '../support/safetensors.js';

const test = suite('loading a model folder');

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

const monoHead = (pooling: Pooling): HeadConfig => ({
  pooling,
  dense: undefined,
  output: { name: 'linear', labels: 1, bias: false },
  label: 0,
  logSoftmax: false,
});

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

test('what pre-training left is ignored, anything else is a warning by name', async () => {
  const folder = changedModel('mono-rank');
  for (const name of ['discriminator_predictions.dense.bias', 'generator_lm_head.bias', 'cls.predictions.bias']) {
    addTensor(folder, name, [3]);
  }
  addTensor(folder, 'electra.pooler.dense.weight', [32, 32]);
  assert.equal((await loadCheckpoint(folder)).warnings, []);
  addTensor(folder, 'electra.adapter.down.weight', [2]);
  addTensor(folder, 'linear.bias', [1]);
  const { warnings, head } = await loadCheckpoint(folder);
  assert.is(warnings.length, 1);
  assert.match(warnings[0]!, /does not use: electra\.adapter\.down\.weight, linear\.bias\.$/);
  assert.equal(head, monoHead('first'));
});

for (const [family, architecture] of [
  ['electra', 'ElectraForPreTraining'],
  ['electra', 'ElectraModel'],
  ['bert', 'BertForMaskedLM'],
  ['bert', 'BertModel'],
] as const) {
  test(`${architecture} gets a fresh head that follows from the seed`, async () => {
    const folder = changedModel(family === 'electra' ? 'mono-rank' : 'mono-bert', {
      model_type: family,
      architectures: [architecture],
      backbone_model_type: undefined,
      query_length: undefined,
      doc_length: undefined,
    });
    renameTensors(folder, (name) => (name === 'linear.weight' ? undefined : `${family}.${name}`));
    const load = async (seed?: number) =>
      loadCheckpoint(folder, { freshHead: true, ...(seed === undefined ? {} : { seed }) });
    const checkpoint = await load();
    assert.match(checkpoint.warnings.join(), /initialized: linear\.weight \(weights N\(0, 0\.3\), seed 42/);
    const encoderTokenizer = family === 'electra' ? 'ElectraTokenizerFast' : 'BertTokenizerFast';
    assert.equal(checkpoint.pairEncoding, {
      kind: 'lightning-ir',
      queryLength: 32,
      docLength: 512,
      maxLength: 64,
      encoderTokenizer,
    });
    const bytes = ({ tensors }: { tensors: { data: unknown }[] }) => tensors.at(-1)!.data as Uint8Array;
    assert.equal(bytes(await load(42)), bytes(checkpoint));
    assert.not.equal(bytes(await load(43)), bytes(checkpoint));
    const head = await loadCheckpoint(folder, {
      overrides: { linearBias: true, poolingStrategy: 'bert_pool' },
      freshHead: true,
    });
    await refuses(
      () => loadCheckpoint(folder, { freshHead: false }),
      'bad_input',
      /has no trained head \(linear\.weight not in/,
    );
    assert.equal(
      head.tensors.filter(({ data }) => data instanceof Uint8Array).map(({ name, shape }) => [name, shape]),
      [
        ['linear.weight', [1, 32]],
        ['linear.bias', [1]],
        ['bert_pool.0.weight', [32, 32]],
        ['bert_pool.0.bias', [32]],
      ],
    );
    for (const { name, data } of head.tensors) {
      if (name.endsWith('.bias') && data instanceof Uint8Array) assert.ok(data.every((byte) => byte === 0));
    }
  });
}

test('a fresh head has the mean and the deviation of N(0, initializer_range)', async () => {
  const folder = changedModel('mono-rank', {
    model_type: 'electra',
    architectures: ['ElectraModel'],
    backbone_model_type: undefined,
  });
  renameTensors(folder, (name) => (name === 'linear.weight' ? undefined : name));
  const { tensors } = await loadCheckpoint(folder, { overrides: { poolingStrategy: 'bert_pool' }, freshHead: true });
  const { data } = tensors.find(({ name }) => name === 'bert_pool.0.weight')!;
  const values = new Float32Array((data as Uint8Array).buffer);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  // 1024 draws of deviation 0.3: the mean's standard error is 0.009, the deviation's 0.007
  assert.ok(Math.abs(mean) < 0.04, `mean ${mean}`);
  assert.ok(Math.abs(deviation - 0.3) < 0.03, `deviation ${deviation}`);
});

test('overrides win over the config; null lengths do not truncate', async () => {
  const overrides = { queryLength: null, docLength: 7, poolingStrategy: 'mean' } as const;
  const { pairEncoding, head } = await loadCheckpoint(join(REFERENCES, 'mono-rank'), { overrides });
  assert.equal(pairEncoding, {
    kind: 'lightning-ir',
    queryLength: null,
    docLength: 7,
    maxLength: 64,
    encoderTokenizer: 'ElectraTokenizerFast',
  });
  assert.equal(head, monoHead('mean'));
  const classification = await loadCheckpoint(join(REFERENCES, 'bert-classification'), { overrides });
  assert.match(classification.warnings.join(), /queryLength, docLength, poolingStrategy have no effect/);
});

test('a bias that the caller asks for and the file lacks starts at zero, with a warning', async () => {
  const { tensors, warnings } = await loadCheckpoint(join(REFERENCES, 'mono-rank'), {
    overrides: { linearBias: true },
  });
  assert.equal(tensors.at(-1), { name: 'linear.bias', dtype: 'float32', shape: [1], data: new Uint8Array(4) });
  assert.match(warnings.join(), /linear\.bias/);
});

test('model_max_length caps where it is below the positions, and 1e30 does not', async () => {
  const limits = { 'bert-classification-limit': 40, 'bert-classification-no-limit': 64 };
  for (const [name, maxLength] of Object.entries(limits)) {
    assert.equal((await loadCheckpoint(join(REFERENCES, name))).pairEncoding, {
      kind: 'longest-first',
      maxLength,
      encoderTokenizer: 'BertTokenizerFast',
    });
  }
});

test('a label by index, by name and by digits', async () => {
  for (const label of [1, 'fair', '1']) {
    const { head } = await loadCheckpoint(join(REFERENCES, 'electra-classification-3'), { label });
    assert.is(head.label, 1);
    assert.equal(head.output, { name: 'classifier.out_proj', labels: 3, bias: true });
  }
});

test('a config without architectures follows the tensors', async () => {
  const folder = changedModel('bert-classification', { architectures: undefined, num_labels: 1 });
  assert.is((await loadCheckpoint(folder)).modelClass, 'BertForSequenceClassification');
});

test('model.safetensors wins over pytorch_model.bin', async () => {
  const folder = changedModel('mono-rank');
  writeFileSync(join(folder, 'pytorch_model.bin'), 'not weights');
  assert.is((await loadCheckpoint(folder)).tensors.length, 40);
});

const HUB_VARIABLES = ['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_HOME', 'XDG_CACHE_HOME', 'HOME'];

async function withEnvironment(values: Record<string, string>, run: () => Promise<void>): Promise<void> {
  const before = HUB_VARIABLES.map((name) => [name, process.env[name]] as const);
  try {
    for (const name of HUB_VARIABLES) delete process.env[name];
    Object.assign(process.env, values);
    await run();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** A hub cache as huggingface_hub lays it out, with one model at `main` and at the branch `v2`. */
function hubCache(cache: string): void {
  const repo = join(cache, 'models--someone--some-model');
  mkdirSync(join(repo, 'refs'), { recursive: true });
  for (const [ref, commit, model] of [
    ['main', 'a1b2', 'mono-rank'],
    ['v2', 'c3d4', 'mono-mean'],
  ] as const) {
    writeFileSync(join(repo, 'refs', ref), commit);
    cpSync(join(REFERENCES, model), join(repo, 'snapshots', commit), { recursive: true, dereference: true });
  }
}

for (const [variable, below] of [
  ['HF_HUB_CACHE', ''],
  ['HF_HOME', 'hub'],
  ['XDG_CACHE_HOME', 'huggingface/hub'],
  ['HOME', '.cache/huggingface/hub'],
] as const) {
  test(`a Hugging Face id is found through ${variable}`, async () => {
    const root = temporaryFolder();
    hubCache(join(root, below));
    await withEnvironment({ [variable]: root }, async () => {
      const pooling = async (name: string, options?: LoadOptions) => {
        const { head } = await loadCheckpoint(name, options);
        return head.pooling;
      };
      assert.is(await pooling('someone/some-model'), 'first');
      assert.is(await pooling('someone/some-model@v2'), 'mean');
      assert.is(await pooling('someone/some-model@c3d4'), 'mean');
      assert.is(await pooling('someone/some-model', { revision: 'v2' }), 'mean');
    });
  });
}

test('an id that is not in the cache says how to fetch it', async () => {
  const root = temporaryFolder();
  hubCache(root);
  await withEnvironment({ HF_HUB_CACHE: root }, async () => {
    for (const name of ['someone/other', 'someone/some-model@v3', 'bert-base-uncased', 'someone/some-model@../../x']) {
      await refuses(() => loadCheckpoint(name), 'not_found', /neither a folder nor in|no such model folder/);
    }
    const repo = join(root, 'models--someone--some-model', 'snapshots', 'a1b2');
    renameSync(join(repo, 'model.safetensors'), join(repo, 'elsewhere'));
    let hint = '';
    await loadCheckpoint('someone/some-model').catch((error: { hint: string }) => (hint = error.hint));
    assert.match(hint, /`hf download someone\/some-model`.*does not download models/);
  });
});

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
  await refuses(() => loadCheckpoint(''), 'bad_input', /expected a folder or a Hugging Face id/);
});

test.run();
