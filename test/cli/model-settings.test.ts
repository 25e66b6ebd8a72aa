import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { monoOverrides } from '../../src/cli/shared-settings.js';
import type { Verb } from '../../src/config/read-settings.js';
import { readRun } from '../../src/data/run-file.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { run } from '../support/cli.js';
import { writeCollection, writeTrainingCollection } from '../support/collections.js';
import { load } from '../support/config.js';
import { refuses } from '../support/errors.js';
import { inFolder, useOwnCache } from '../support/files.js';
import { assertClose, expectedPairs, modelFolder } from '../support/models.js';

const test = suite('settings of the model: model_kwargs and label');
useOwnCache(test);

/** What scripts/references/models.py wrote. */
interface Case {
  kwargs: Record<string, unknown>;
  config: Record<string, unknown> | null;
  scores: number[];
}

const cases = JSON.parse(await readFile(new URL('../golden/model-kwargs.json', import.meta.url), 'utf8')) as Case[];

const settingsOf = async (kwargs: unknown, config: unknown = null, verb?: Verb) => {
  const args = {
    model_kwargs: kwargs,
    config: config === null ? null : { class_path: 'MonoConfig', init_args: config },
  };
  const model = { class_path: 'CrossEncoderModule', init_args: args };
  return monoOverrides((await load([JSON.stringify({ model })], [], verb)).config);
};

for (const { kwargs, config, scores } of cases) {
  test(`model_kwargs ${JSON.stringify(kwargs)} beside config ${JSON.stringify(config)}: scores of lightning-ir`, async () => {
    const pairs = (await expectedPairs()).map((pair, i) => ({ ...pair, score: scores[i]! }));
    const settings = await settingsOf(kwargs, config);
    await using model = await CrossEncoder.load(modelFolder(), { config: settings, onWarning: () => undefined });
    assertClose(await model.score(pairs), pairs, 1e-4);
  });
}

const place = '0.yaml:1: model.init_args.model_kwargs';
const refused: [kwargs: object, code: 'unsupported' | 'bad_input', words: string][] = [
  [{ torch_dtype: 'float16' }, 'unsupported', `${place}.torch_dtype: is not supported`],
  [{ num_hidden_layers: 1 }, 'bad_input', '0.yaml:1: unknown key "num_hidden_layers" in model.init_args.model_kwargs'],
  [{ hidden_dropout_prob: 0.5 }, 'bad_input', 'unknown key "hidden_dropout_prob" in model.init_args.model_kwargs'],
  [{ use_adapter: true }, 'unsupported', `${place}.use_adapter`],
  [
    { doc_length: 'eight' },
    'bad_input',
    `${place}.doc_length: expected a whole number of at least 1, or null, received the text "eight"`,
  ],
  [{ pooling_strategy: 'bert_pool' }, 'bad_input', `${place}.pooling_strategy: expected one of first, mean, max, sum`],
];

for (const [kwargs, code, words] of refused) {
  test(`model_kwargs ${JSON.stringify(kwargs)} is refused by name`, async () => {
    const { message } = await refuses(() => settingsOf(kwargs, null, 're_rank'), code);
    assert.ok(message.includes(words), message);
  });
}

test('arguments of from_pretrained that change no score are taken', async () => {
  assert.equal(await settingsOf({ attn_implementation: 'sdpa', torch_dtype: 'float32', adapter_config: null }), {});
});

const TWO_LABELS = 'bert-classification-2';

/** Scores of a re-ranked run by topic and document. */
async function rerank(folder: string, name: string, ...argv: string[]): Promise<Map<string, number>> {
  const model = ['--model.model_name_or_path', modelFolder(TWO_LABELS)];
  const callback = `[{class_path: ReRankCallback, init_args: {save_dir: ${name}}}]`;
  const options = [...model, '--trainer.callbacks', callback, ...argv];
  const { code, stderr } = await run(['re_rank', '--config', 'config.yaml', ...options], { cwd: folder });
  assert.is(code, 0, stderr);
  const records = await readRun(join(folder, name, '__bm25__tiny-set.run'));
  return new Map(records.map(({ queryId, docId, score }) => [`${queryId} ${docId}`, score]));
}

test('re_rank takes a label by name, by index and as YAML reads it', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const byName = await rerank(folder, 'name', '--model.label', '"yes"');
    for (const label of ['1', 'yes']) {
      assert.equal(await rerank(folder, `label-${label}`, '--model.label', label), byName);
    }
    assert.not.equal(await rerank(folder, 'other', '--model.label', 'no'), byName);
  }));

test('fit trains the label that is named, and the trained model is scored by it', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const model = ['--model.model_name_or_path', modelFolder(TWO_LABELS)];
    const argv = ['fit', '--config', 'config.yaml', ...model, '--model.label', 'yes'];
    const fitted = await run(argv, { cwd: folder });
    assert.is(fitted.code, 0, fitted.stderr);
    const saved = join(folder, 'out/lightning_logs/version_0/huggingface_checkpoint');
    await using trained = await CrossEncoder.load(saved, { label: 'yes' });
    await using source = await CrossEncoder.load(modelFolder(TWO_LABELS), { label: 'yes' });
    const pairs = await expectedPairs(TWO_LABELS);
    assert.not.equal(await trained.score(pairs), await source.score(pairs));
  }));

test('without a label every verb says how it is named', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const model = modelFolder(TWO_LABELS);
    const fit = await run(['fit', '--config', 'config.yaml', '--model.model_name_or_path', model], { cwd: folder });
    const score = await run(['score', '--model', model, '--input', '-'], { stdin: '' });
    for (const { code, stderr } of [fit, score]) {
      assert.is(code, 2);
      assert.match(stderr, /the model has 2 labels: 0 \(no\), 1 \(yes\)/);
    }
    assert.match(fit.stderr, /--model\.label of/);
    assert.match(score.stderr, /--label of/);
  }));

test.run();
