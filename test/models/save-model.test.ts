import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Checkpoint } from '../../src/models/checkpoint.js';
import type { JsonObject } from '../../src/models/json-file.js';
import { loadCheckpoint, type LoadOptions, type MonoOverrides } from '../../src/models/load-checkpoint.js';
import { readModelFiles } from '../../src/models/save-model.js';
import { readSafetensors } from '../../src/models/safetensors.js';
import { saveModel } from '../../src/models/save-model.js';
import { writeSafetensors } from '../../src/models/safetensors.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { replaceFolder } from '../../src/io/replace-folder.js';
import { pythonWithOriginals, scoreWithOriginals } from '../support/shared.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';
import { changedModel, REFERENCES, WEIGHT_FILES } from '../support/models.js';
import { float32Of, renameTensors, tensorValues } from '../support/safetensors.js';

const test = suite('saving a model');

interface Folder {
  files: string[];
  'config.json': Record<string, unknown>;
  'tokenizer_config.json': Record<string, unknown>;
  'special_tokens_map.json': Record<string, unknown>;
  tensors: Record<string, number[]>;
}

interface Case {
  name: string;
  source: Folder;
  overrides: MonoOverrides;
  saveStep: number | null;
  saved: Folder;
}

const layouts = JSON.parse(readFileSync(join(WEIGHT_FILES, 'saved-layout.json'), 'utf8')) as { cases: Case[] };

const jsonIn = (folder: string, file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as unknown;

/** The folder that the reference script saved from, with numbers of our own. */
async function sourceFolder({ source }: Case): Promise<string> {
  const folder = temporaryFolder();
  for (const file of ['config.json', 'tokenizer_config.json', 'special_tokens_map.json'] as const) {
    writeFileSync(join(folder, file), JSON.stringify(source[file]));
  }
  cpSync(join(REFERENCES, 'mono-electra/vocab.txt'), join(folder, 'vocab.txt'));
  cpSync(join(REFERENCES, 'mono-rank/tokenizer.json'), join(folder, 'tokenizer.json'));
  const tensors = Object.entries(source.tensors).map(([name, shape]) => ({
    name,
    shape,
    parts: () => [new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(name.length / 100)],
  }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
  return folder;
}

async function saved(source: Checkpoint, step?: number): Promise<string> {
  const folder = join(temporaryFolder(), 'saved');
  await replaceFolder(folder, (temporary) =>
    saveModel(temporary, { source, tensors: tensorValues(source.tensors), step }),
  );
  return folder;
}

for (const layout of layouts.cases) {
  test(`${layout.name}: files, keys and tensors are those that the original libraries write`, async () => {
    const source = await loadCheckpoint(await sourceFolder(layout), {
      overrides: layout.overrides,
      freshHead: true,
      label: layout.name === 'bert classification' ? 0 : undefined,
    });
    const folder = await saved(source, layout.saveStep ?? undefined);
    assert.equal(readdirSync(folder).sort(), layout.saved.files);
    assert.equal(jsonIn(folder, 'config.json'), layout.saved['config.json']);
    assert.equal(jsonIn(folder, 'tokenizer_config.json'), layout.saved['tokenizer_config.json']);
    assert.equal(jsonIn(folder, 'special_tokens_map.json'), layout.source['special_tokens_map.json']);
    const tensors = [...(await readSafetensors(join(folder, 'model.safetensors')))].map(([name, { shape }]) => [
      name,
      shape,
    ]);
    // of this one transformers cannot read what it writes itself, see savedName
    const prefix = layout.overrides.poolingStrategy === 'bert_pool' ? 'bert.' : '';
    const expected = Object.entries(layout.saved.tensors).map(([name, shape]) => [prefix + name, shape]);
    assert.equal(Object.fromEntries(tensors), Object.fromEntries(expected));
  });
}

const PAIRS = [
  { query: 'bakori mul', document: 'Tenri so limgar, va-ko.' },
  { query: '', document: 'x' },
  { query: 'pos '.repeat(50), document: 'dra eu '.repeat(80) },
];

async function scoresOf(folder: string, label: number | string | undefined): Promise<Float32Array> {
  await using model = await CrossEncoder.load(folder, { label, threads: 1 });
  return model.score(PAIRS);
}

function withoutPlace({ name: _name, folder: _folder, tensors, warnings: _, ...rest }: Checkpoint): object {
  return { ...rest, tensors: new Map(tensors.map((tensor) => [tensor.name, float32Of(tensor)])) };
}

/** What is saved in the test with the original libraries: backbones with fresh heads, and models of every kind. */
const ORIGINALS: [name: string, overrides: MonoOverrides, label?: number][] = [
  ['electra-backbone', { queryLength: 8, docLength: 40 }],
  ['electra-backbone', { poolingStrategy: 'mean', linearBias: true, scoringStrategy: 'mono' }],
  ['electra-backbone', { poolingStrategy: 'bert_pool', queryLength: null, docLength: null }],
  ['bert-backbone', { docLength: 20 }],
  ['bert-backbone', { poolingStrategy: 'bert_pool', linearBias: true, scoringStrategy: 'mono' }],
  ['bert-backbone', { poolingStrategy: 'max' }],
  ['legacy-bin', {}],
  ['mono-electra', {}],
  ['electra-classification', {}],
  ['bert-classification-2', {}, 1],
];

/** A folder with the encoder of a reference model alone. */
function backboneOf(name: string): string {
  const family = name.replace(/-.*/, '');
  const folder = changedModel(family === 'electra' ? 'mono-rank' : 'mono-bert', {
    model_type: family,
    architectures: [family === 'electra' ? 'ElectraModel' : 'BertModel'],
    backbone_model_type: undefined,
  });
  renameTensors(folder, (tensor) => (tensor === 'linear.weight' ? undefined : `${family}.${tensor}`));
  return folder;
}

const isMono = ({ mono }: Checkpoint) => mono !== undefined;

const expectedOf = (name: string) =>
  jsonIn(join(REFERENCES, name), 'expected.json') as { options: LoadOptions & { hubId?: string } };

for (const name of readdirSync(REFERENCES)) {
  if (name.startsWith('external-')) continue; // found by its id only
  test(`${name}: saved and loaded again, every bit of the weights and all settings are the same`, async () => {
    const { label } = expectedOf(name).options;
    const source = await loadCheckpoint(join(REFERENCES, name), { label });
    const folder = await saved(source);
    const again = await loadCheckpoint(folder, { label });
    assert.equal(again.warnings, []);
    assert.equal(withoutPlace(again), withoutPlace(source));
    // weights lie at other addresses of their file, on which the order of a product's sums depends
    const expected = await scoresOf(join(REFERENCES, name), label);
    for (const [i, score] of (await scoresOf(folder, label)).entries()) {
      assert.ok(Math.abs(score - expected[i]!) <= 2e-6 * Math.max(1, Math.abs(score)), `${score}, ${expected[i]}`);
    }
  });
}

test('numbers of config.json stand there as they were written', async () => {
  const folder = changedModel('mono-rank');
  const { layer_norm_eps: _, hidden_dropout_prob: __, ...config } = jsonIn(folder, 'config.json') as JsonObject;
  const written = '"hidden_dropout_prob": 0.0, "layer_norm_eps": 1E-5, "note": {"a": [1.0, "}, \\"b\\": 2"]}';
  writeFileSync(join(folder, 'config.json'), `{${written}, ${JSON.stringify(config).slice(1)}`);
  writeFileSync(join(folder, 'tokenizer_config.json'), '{"model_max_length": 1000000000000000019884624838656}');
  const target = await saved(await loadCheckpoint(folder));
  const lines = (file: string) => readFileSync(join(target, file), 'utf8').split('\n');
  for (const line of written.split(/, (?="[a-z_]+": )/)) {
    assert.ok(lines('config.json').includes(`  ${line},`), `${line}\n${lines('config.json').join('\n')}`);
  }
  assert.ok(lines('tokenizer_config.json').includes('  "model_max_length": 1000000000000000019884624838656,'));
});

test('all tokenizer files are carried over as they are, also when the source is gone', async () => {
  const folder = changedModel('mono-electra');
  writeFileSync(join(folder, 'added_tokens.json'), '{ }');
  writeFileSync(join(folder, 'README.md'), 'not the tokenizer');
  const source = await loadCheckpoint(folder);
  const files = await readModelFiles(folder);
  const tensors = tensorValues(source.tensors);
  const held = new Map(source.tensors.map((tensor) => [tensor.name, float32Of(tensor)]));
  const texts = ['vocab.txt', 'special_tokens_map.json', 'added_tokens.json'].map((name) => [
    name,
    readFileSync(join(folder, name), 'utf8'),
  ]);
  rmSync(folder, { recursive: true });
  const target = temporaryFolder();
  const options = { source, tensors: tensors.map((tensor) => ({ ...tensor, parts: () => [held.get(tensor.name)!] })) };
  await refuses(
    () => saveModel(target, options),
    'not_found',
    /config\.json: no such file, so the model cannot be saved/,
  );
  await saveModel(target, { ...options, files });
  for (const [name, text] of texts) assert.is(readFileSync(join(target, name!), 'utf8'), text);
  assert.not.ok(readdirSync(target).includes('README.md'));
  assert.equal((await loadCheckpoint(target)).pairEncoding, source.pairEncoding);
});

const python = pythonWithOriginals();
for (const [name, overrides, label] of python === undefined ? [] : ORIGINALS) {
  test(`${name} ${JSON.stringify(overrides)}: the original libraries load what is saved and give the same scores`, async () => {
    const isFresh = name.endsWith('backbone');
    const backbone = isFresh ? backboneOf(name) : join(REFERENCES, name);
    const source = await loadCheckpoint(backbone, { overrides, label, freshHead: true });
    const folder = await saved(source);
    const pairs = join(temporaryFolder(), 'pairs.jsonl');
    writeFileSync(pairs, PAIRS.map((pair) => JSON.stringify(pair)).join('\n'));
    const options = [
      ...(isFresh ? ['--source', backbone] : []),
      ...(label === undefined ? [] : ['--label', String(label)]),
    ];
    const originals = scoreWithOriginals(python!, folder, pairs, options);
    const scores = await scoresOf(folder, label);
    assert.is(originals.length, PAIRS.length);
    originals.forEach(({ score, score_from_hidden, hidden_difference, source_difference }, i) => {
      const within = (what: string, value: number, tolerance = 1e-5) =>
        assert.ok(Math.abs(value) <= tolerance, `${what} of pair ${i}: ${value}`);
      within('score', score - scores[i]!);
      if (isMono(source)) {
        within('score from the hidden state', score_from_hidden! - scores[i]!);
        within('hidden state', hidden_difference!);
      }
      if (isFresh) within("hidden state of the source's", source_difference!, 0);
    });
  });
}

test('tensors that are not those of the model', async () => {
  const source = await loadCheckpoint(join(REFERENCES, 'mono-rank'));
  const tensors = tensorValues(source.tensors);
  const last = tensors.at(-1)!;
  for (const [given, message] of [
    [tensors.slice(1), /tensor embeddings\.word_embeddings\.weight is missing/],
    [[...tensors, last], /tensor linear\.weight is given twice/],
    [[...tensors, { ...last, name: 'linear.bias' }], /tensor linear\.bias is given twice, or the model has none/],
    [[...tensors.slice(0, -1), { ...last, shape: [32] }], /linear\.weight: expected shape \[1, 32\], found \[32\]/],
  ] as const) {
    const folder = temporaryFolder();
    await refuses(() => saveModel(folder, { source, tensors: given }), 'bad_input', message);
    assert.equal(readdirSync(folder), []);
  }
});

test('a model folder whose replacement was cut short is found', async () => {
  const parent = temporaryFolder();
  cpSync(join(REFERENCES, 'mono-rank'), join(parent, '.model.old-1-1-0123abcd-0123abcd'), { recursive: true });
  mkdirSync(join(parent, '.model.new-1-1-0123abcd-0123abcd'));
  assert.is((await loadCheckpoint(join(parent, 'model'))).modelClass, 'MonoElectraModel');
});

test.run();
