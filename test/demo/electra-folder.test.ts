import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { STANDARD_START, writeElectraFolder } from '../../scripts/demo/electra-folder.js';
import { Random } from '../../scripts/demo/random.js';
import { buildVocabulary, madeUpVocabulary, SPECIAL_TOKENS } from '../../scripts/demo/vocabulary.js';
import { readSafetensors } from '../../src/models/safetensors.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { loadTokenizer } from '../../src/tokenize/load-tokenizer.js';

const test = suite('random ELECTRA folders');

const SHAPE = { embeddingSize: 16, hiddenSize: 32, layers: 2, heads: 4, intermediateSize: 64, maxPositions: 48 };
const TEXTS = ['The potter Ana Borel was born in Drabel.', 'Borel the potter was a native of Drabel, the potter said.'];

const folders: string[] = [];
async function written(shape: typeof SHAPE, seed: number, start = STANDARD_START): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'electra-'));
  folders.push(folder);
  await writeElectraFolder(folder, shape, buildVocabulary(TEXTS, 50), seed, start);
  return folder;
}

test.after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

const digest = async (folder: string) =>
  createHash('sha256')
    .update(await readFile(join(folder, 'model.safetensors')))
    .digest('hex');

test('the loader takes it for a bare backbone and adds a fresh head', async () => {
  const folder = await written(SHAPE, 1);
  assert.equal((await readdir(folder)).sort(), [
    'config.json',
    'model.safetensors',
    'tokenizer_config.json',
    'vocab.txt',
  ]);
  const checkpoint = await loadCheckpoint(folder, { freshHead: true });
  assert.is(checkpoint.encoder.hiddenSize, 32);
  assert.is(checkpoint.encoder.embeddingSize, 16);
  assert.is(checkpoint.encoder.layers, 2);
  assert.is(checkpoint.modelClass, 'MonoElectraModel');
  assert.ok(
    checkpoint.warnings.some((warning) => /fresh|random|linear/.test(warning)),
    checkpoint.warnings.join('\n'),
  );
  assert.not.ok(
    checkpoint.warnings.some((warning) => /ignored/.test(warning)),
    checkpoint.warnings.join('\n'),
  );
});

test('no projection where embedding and hidden size are one', async () => {
  const folder = await written({ ...SHAPE, embeddingSize: 32 }, 1);
  const tensors = await readSafetensors(join(folder, 'model.safetensors'));
  assert.not.ok([...tensors.keys()].some((name) => name.startsWith('embeddings_project')));
  assert.is((await loadCheckpoint(folder, { freshHead: true })).encoder.embeddingSize, 32);
});

test('weights follow from the seed', async () => {
  const one = await digest(await written(SHAPE, 1));
  assert.is(await digest(await written(SHAPE, 1)), one);
  assert.is.not(await digest(await written(SHAPE, 2)), one);
});

/** A tensor's numbers by name. */
async function readValues(folder: string): Promise<(name: string) => number[]> {
  const tensors = await readSafetensors(join(folder, 'model.safetensors'));
  const bytes = await readFile(join(folder, 'model.safetensors'));
  return (name) => {
    const { data } = tensors.get(name)!;
    assert.ok(!(data instanceof Uint8Array));
    return Array.from({ length: data.bytes / 4 }, (_, i) => bytes.readFloatLE(data.offset + 4 * i));
  };
}

test('weights are normal with deviation 0.02, biases 0 and LayerNorm weights 1', async () => {
  const values = await readValues(await written({ ...SHAPE, intermediateSize: 4096 }, 3));
  const weights = values('encoder.layer.1.intermediate.dense.weight');
  const moment = (power: number) => weights.reduce((sum, value) => sum + (value / 0.02) ** power, 0) / weights.length;
  assert.is(weights.length, 32 * 4096);
  // bounds of five standard errors: 1, sqrt(2) and sqrt(96) over sqrt(n)
  const bound = 5 / Math.sqrt(weights.length);
  assert.ok(Math.abs(moment(1)) < bound, `mean ${moment(1)}`);
  assert.ok(Math.abs(moment(2) - 1) < bound * Math.sqrt(2), `variance ${moment(2)}`);
  assert.ok(Math.abs(moment(4) - 3) < bound * Math.sqrt(96), `kurtosis ${moment(4)}`);
  assert.ok(values('encoder.layer.0.output.dense.bias').every((value) => value === 0));
  assert.ok(values('embeddings.LayerNorm.weight').every((value) => value === 1));
});

test('a start of its own: deviations by kind of tensor, keys that equal queries in the first layers, dropout', async () => {
  const start = {
    ...{ layerRange: 0.1, wordRange: 0.3, positionRange: 0.01, segmentRange: 0.03 },
    equalKeys: 1,
    dropout: 0,
  };
  const folder = await written({ ...SHAPE, embeddingSize: 32, maxPositions: 512 }, 3, start);
  const values = await readValues(folder);
  const expected = {
    'embeddings.word_embeddings.weight': 0.3,
    'embeddings.position_embeddings.weight': 0.01,
    'embeddings.token_type_embeddings.weight': 0.03,
    'encoder.layer.1.attention.self.key.weight': 0.1,
    'encoder.layer.0.output.dense.weight': 0.1,
  };
  for (const [name, deviation] of Object.entries(expected)) {
    const numbers = values(name);
    const share = Math.sqrt(numbers.reduce((sum, value) => sum + value ** 2, 0) / numbers.length) / deviation;
    // five standard errors of a deviation: 1 over sqrt(2 n)
    assert.ok(Math.abs(share - 1) < 5 / Math.sqrt(2 * numbers.length), `${name}: ${share}`);
  }
  const of = (layer: number, name: string) => values(`encoder.layer.${layer}.attention.self.${name}.weight`);
  assert.equal(of(0, 'key'), of(0, 'query'));
  assert.not.equal(of(1, 'key'), of(1, 'query'));
  assert.not.equal(of(0, 'value'), of(0, 'query'));
  const { encoder } = await loadCheckpoint(folder, { freshHead: true });
  assert.is(encoder.layers, 2);
  const config: unknown = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
  assert.is((config as Record<string, unknown>)['hidden_dropout_prob'], 0);
  assert.is((config as Record<string, unknown>)['attention_probs_dropout_prob'], 0);
});

test('the vocabulary knows every word of its corpus, frequent words as one entry', async () => {
  const { native } = await loadTokenizer(await written(SHAPE, 1), { kind: 'lightning-ir' });
  for (const text of TEXTS) {
    const tokens = (await native.encode(text)).getTokens();
    assert.not.ok(tokens.includes('[UNK]'), tokens.join(' '));
    assert.ok(tokens.includes('potter'));
  }
});

test('a made-up vocabulary has as many different entries as asked for, the special tokens first', () => {
  const entries = madeUpVocabulary(30522);
  assert.is(new Set(entries).size, 30522);
  assert.equal(entries.slice(0, 5), [...SPECIAL_TOKENS]);
  assert.throws(() => madeUpVocabulary(1_000_000), /can be made up/);
});

test('normal numbers in parts are those in one go', () => {
  const whole = new Float32Array(1000);
  new Random(5).fillNormal(whole, 1);
  const parts = new Float32Array(1000);
  const random = new Random(5);
  for (const [from, to] of [
    [0, 256],
    [256, 1000],
  ] as const)
    random.fillNormal(parts.subarray(from, to), 1);
  assert.equal(parts, whole);
});

test.run();
