import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';
import { changedModel, modelFolder } from '../support/models.js';

const test = suite('saving a trainable model');

/** What sentence-transformers 5.7.0 writes beside a cross-encoder. */
const SENTENCE_TRANSFORMERS = {
  'modules.json': '[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.Transformer"}]',
  'config_sentence_transformers.json': '{"activation_fn": "torch.nn.modules.linear.Identity"}',
  'sentence_bert_config.json': '{"max_seq_length": 48}',
};

test('a model of sentence-transformers keeps its modules and its activation', async () => {
  const folder = changedModel('bert-classification', { sentence_transformers: { activation_fn: 'x.Identity' } });
  for (const [name, text] of Object.entries(SENTENCE_TRANSFORMERS)) writeFileSync(join(folder, name), text);
  const target = join(temporaryFolder(), 'saved');
  await using model = await TrainableModel.load(folder);
  await model.save(target);
  for (const [name, text] of Object.entries(SENTENCE_TRANSFORMERS)) {
    assert.is(readFileSync(join(target, name), 'utf8'), text, name);
  }
  const config = JSON.parse(readFileSync(join(target, 'config.json'), 'utf8')) as Record<string, unknown>;
  assert.equal(config['sentence_transformers'], { activation_fn: 'x.Identity' });
  await using again = await CrossEncoder.load(target);
  assert.is(again.modelClass, 'BertForSequenceClassification');
});

test("lightning-ir's models leave the files of a bi-encoder that they were trained from", async () => {
  const folder = changedModel('mono-rank');
  writeFileSync(join(folder, 'modules.json'), '[{"type": "sentence_transformers.models.Pooling"}]');
  const target = join(temporaryFolder(), 'saved');
  await using model = await TrainableModel.load(folder);
  await model.save(target);
  assert.not.ok(readdirSync(target).includes('modules.json'));
});

test('an older model is replaced, anything else is not', async () => {
  await using model = await TrainableModel.load(modelFolder('mono-rank'));
  const parent = temporaryFolder();
  const target = join(parent, 'model');
  await model.save(target);
  writeFileSync(join(target, 'left-over'), '');
  await model.save(target);
  assert.equal(readdirSync(parent), ['model']);
  assert.not.ok(readdirSync(target).includes('left-over'));
  const other = join(parent, 'other');
  mkdirSync(other);
  writeFileSync(join(other, 'thesis.tex'), 'x');
  await refuses(() => model.save(other), 'bad_input', /other: contains files that are not a model's/);
  assert.equal(readdirSync(other), ['thesis.tex']);
});

test('a model without a head scores only where it is asked for', async () => {
  const folder = changedModel('mono-rank', {
    linear_bias: undefined,
    backbone_model_type: undefined,
    model_type: 'electra',
    architectures: ['ElectraModel'],
  });
  const options = { config: { poolingStrategy: 'bert_pool' }, onWarning: () => undefined } as const;
  await refuses(
    () => CrossEncoder.load(folder, options),
    'bad_input',
    /has no trained head \(bert_pool\.0\.weight not in/,
  );
  await using model = await CrossEncoder.load(folder, { ...options, freshHead: true });
  assert.is((await model.score([{ query: 'a', document: 'b' }])).length, 1);
});

test.run();
