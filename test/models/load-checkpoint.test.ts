import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { HeadConfig, Pooling } from '../../binding.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { refuses } from '../support/errors.js';
import { changedModel, REFERENCES } from '../support/models.js';
import { addTensor, renameTensors } from '../support/safetensors.js';

const test = suite('loading a model folder');

const monoHead = (pooling: Pooling): HeadConfig => ({
  pooling,
  dense: undefined,
  output: { name: 'linear', labels: 1, bias: false },
  label: 0,
  logSoftmax: false,
});

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

test.run();
