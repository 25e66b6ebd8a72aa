import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { saveModel } from '../../src/models/save-model.js';
import { createPairTokenizer } from '../../src/tokenize/pair-tokenizer.js';
import { refuses } from '../support/errors.js';
import { copyFolder, temporaryFolder } from '../support/files.js';
import { assertClose, assertSameIds, type ScoredPair } from '../support/models.js';

/** What scripts/references/models.py wrote beside each model. */
interface Expected {
  /** A class of torch. */
  activation: string;
  pairs: ScoredPair[];
}

const root = fileURLToPath(new URL('sentence-transformers/', import.meta.url));
const folders = readdirSync(root).filter((name) => existsSync(`${root}${name}/expected.json`));

const test = suite('folders that sentence-transformers saved');

for (const name of folders) {
  const folder = `${root}${name}`;
  const { activation, pairs } = JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')) as Expected;

  test(`${name}: token ids, scores and activation of sentence-transformers`, async () => {
    const checkpoint = await loadCheckpoint(folder);
    assert.equal(checkpoint.warnings, []);
    assertSameIds(await (await createPairTokenizer(checkpoint)).encodePairs(pairs), pairs);
    await using model = await CrossEncoder.load(folder);
    assertClose(await model.score(pairs), pairs, 1e-4);
    assert.is(model.activation, activation.toLowerCase());
  });
}

/** A copy of one of the folders with keys set in one of its files. */
function changed(name: string, file: string, keys: object): string {
  const folder = temporaryFolder();
  copyFolder(`${root}${name}`, folder);
  const path = join(folder, file);
  const given = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as object) : {};
  writeFileSync(path, JSON.stringify({ ...given, ...keys }));
  return folder;
}

const TRANSFORMER = 'sentence_bert_config.json';
const MODEL = 'config_sentence_transformers.json';

const refused: [file: string, keys: object, message: RegExp][] = [
  [TRANSFORMER, { processing_kwargs: { text: { truncation: 'only_second' } } }, /processing_kwargs\.truncation/],
  [TRANSFORMER, { processing_kwargs: { common: { add_special_tokens: false } } }, /add_special_tokens/],
  [TRANSFORMER, { model_kwargs: { num_hidden_layers: 1 } }, /model_kwargs\.num_hidden_layers/],
  [TRANSFORMER, { model_args: { torch_dtype: 'float16' } }, /model_args\.torch_dtype/],
  [TRANSFORMER, { config_args: { hidden_act: 'relu' } }, /config_args\.hidden_act/],
  [TRANSFORMER, { tokenizer_name_or_path: 'elsewhere' }, /tokenizer_name_or_path/],
  [TRANSFORMER, { transformer_task: 'fill-mask' }, /transformer_task \(fill-mask\)/],
  [TRANSFORMER, { modality_config: { text: { method: 'forward', method_output_name: 'loss' } } }, /modality_config/],
  [TRANSFORMER, { modality_config: { message: { method: 'forward' } } }, /modality_config\.message/],
];

for (const [file, keys, message] of refused) {
  test(`${JSON.stringify(keys)} in ${file} is refused by name`, async () => {
    await refuses(() => loadCheckpoint(changed('plain', file, keys)), 'unsupported', message);
  });
}

test('wrong values are errors that name the key', async () => {
  const cases: [string, object, RegExp][] = [
    [TRANSFORMER, { max_seq_length: 'long' }, /sentence_bert_config\.json: max_seq_length: expected a whole number/],
    [TRANSFORMER, { processing_kwargs: [] }, /processing_kwargs: expected an object/],
    [MODEL, { default_prompt_name: 'none' }, /default_prompt_name: there is no prompt "none"/],
  ];
  for (const [file, keys, message] of cases) {
    await refuses(() => loadCheckpoint(changed('plain', file, keys)), 'bad_input', message);
  }
});

test('arguments that change no score are taken', async () => {
  const folder = changed('plain', TRANSFORMER, {
    model_kwargs: { attn_implementation: 'sdpa', revision: null },
    tokenizer_name_or_path: null,
    processing_kwargs: { text: { padding: 'max_length', truncation: true }, image: { size: 3 } },
    unpad_inputs: true,
  });
  const { pairEncoding } = await loadCheckpoint(folder);
  assert.equal(pairEncoding, (await loadCheckpoint(`${root}plain`)).pairEncoding);
});

test('a chat template, into which the library would write the pair, is refused by name', async () => {
  const folder = changed('layout-4', 'tokenizer_config.json', { chat_template: '{{ messages }}' });
  await refuses(() => loadCheckpoint(folder), 'unsupported', /tokenizer_config\.json: chat_template/);
  // modules.json says that pairs are text
  assert.equal((await loadCheckpoint(changed('plain', 'tokenizer_config.json', { chat_template: 'x' }))).warnings, []);
});

test('a trained copy keeps the files of the library, one with a new head does not', async () => {
  const saved = async (name: string): Promise<string> => {
    const folder = temporaryFolder();
    await using model = await TrainableModel.load(`${root}${name}`, { onWarning: () => undefined });
    await saveModel(folder, { source: model.checkpoint, tensors: model.tensors() });
    return folder;
  };
  const { pairEncoding, activation } = await loadCheckpoint(`${root}prompt`);
  const again = await loadCheckpoint(await saved('prompt'));
  assert.equal(again.pairEncoding, pairEncoding);
  assert.is(again.activation, activation);
  assert.is(pairEncoding.prompt, 'Bakori: ');
  assert.not.ok(existsSync(join(await saved('bi-encoder'), 'modules.json')));
});

test('an activation that is not supported is a warning, and the score stays the logit', async () => {
  const { activation, warnings } = await loadCheckpoint(changed('plain', MODEL, { activation_fn: 'torch.nn.Tanh' }));
  assert.is(activation, undefined);
  assert.match(warnings.join(), /activation_fn: torch\.nn\.Tanh is not supported/);
});

test('without modules.json the library reads none of its other files', async () => {
  const folder = changed('layout-4', TRANSFORMER, { max_seq_length: 5 });
  assert.equal((await loadCheckpoint(folder)).pairEncoding, {
    kind: 'longest-first',
    maxLength: 64,
    encoderTokenizer: 'BertTokenizerFast',
  });
});

const others: [name: string, what: RegExp][] = [
  ['bi-encoder', /modules\.json: .* bi-encoder of sentence-transformers \(Transformer, Pooling, Dense\)/],
  ['cross-encoder-of-modules', /cross-encoder of other modules of .*\(Transformer, Pooling, Dense\)/],
];

for (const [name, what] of others) {
  test(`${name}: not scored, and its encoder can be trained`, async () => {
    const folder = `${root}${name}`;
    await refuses(() => CrossEncoder.load(folder), 'unsupported', what);
    const warnings: string[] = [];
    await using model = await TrainableModel.load(folder, { onWarning: (message) => warnings.push(message) });
    assert.match(model.checkpoint.modelClass, /^Mono/);
    assert.match(warnings.join('\n'), /only its encoder is used/);
    assert.match(warnings.join('\n'), /linear\.weight/);
  });
}

test('a model without a trained head is scored only when asked for', async () => {
  const folder = changed('bi-encoder', 'modules.json', {});
  writeFileSync(join(folder, 'modules.json'), '[]');
  await refuses(() => loadCheckpoint(folder), 'bad_input', /modules\.json: expected a list of modules/);
  const backbone = temporaryFolder();
  for (const file of ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']) {
    copyFileSync(`${root}bi-encoder/${file}`, join(backbone, file));
  }
  await refuses(() => CrossEncoder.load(backbone), 'bad_input', /no trained head \(linear\.weight/);
  await using model = await CrossEncoder.load(backbone, { freshHead: true, onWarning: () => undefined });
  assert.is((await model.score([{ query: 'a', document: 'b' }])).length, 1);
});

test.run();
