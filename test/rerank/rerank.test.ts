import { existsSync, linkSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { writeRun } from '../../src/data/write-run.js';
import { RunDataset } from '../../src/data/run-dataset.js';
import { rerank } from '../../src/rerank/rerank.js';
import * as assert from 'uvu/assert';
import { refuses } from '../support/errors.js';
import { listing, temporaryFiles } from '../support/files.js';
import { copyModel } from '../support/models.js';
import { referenceModel } from '../support/engine.js';

const test = suite('rerank');
const { folder, file } = temporaryFiles();

test('ids that cannot be written are refused before anything is scored', async () => {
  const record = { query: 'q', text: 't', score: 1 };
  const lines = ['a', 'b c'].map((docid) => `${JSON.stringify({ qid: '1', docid, ...record })}\n`);
  await using dataset = await RunDataset.open({ runPathOrId: file('gaps.jsonl', lines.join('')) });
  await using model = await CrossEncoder.load((await referenceModel('mono-rank')).folder);
  const outputPath = join(folder, 'out.run');
  let scored = 0;
  const onProgress = () => (scored += 1);
  await refuses(
    () => rerank({ model, dataset, outputPath, tag: 'x', onProgress }),
    'bad_input',
    "gaps.jsonl:2: the document id 'b c'",
  );
  assert.is(scored, 0);
  assert.not.ok(existsSync(outputPath));
});

test('a run is not written over the run that it re-ranks', async () => {
  const line = `${JSON.stringify({ qid: '1', docid: 'a', query: 'q', text: 't', score: 1 })}\n`;
  const input = file('input.jsonl', line);
  const link = join(folder, 'link.run');
  symlinkSync(input, link);
  const hardLink = join(folder, 'hard-link.run');
  linkSync(input, hardLink);
  await using dataset = await RunDataset.open({ runPathOrId: input });
  await using model = await CrossEncoder.load((await referenceModel('mono-rank')).folder);
  // a dataset around ours does not say what it reads
  const around = { countPairs: () => dataset.countPairs(), samples: () => dataset.samples() };
  for (const outputPath of [input, link, hardLink]) {
    for (const each of [dataset, around]) {
      await refuses(
        () => rerank({ model, dataset: each, outputPath, tag: 'x' }),
        'bad_input',
        `${outputPath}: would overwrite the input ${input}`,
      );
    }
    await refuses(() => writeRun(outputPath, []), 'bad_input', 'would overwrite the input');
  }
  assert.is(readFileSync(input, 'utf8'), line);
});

test('a run is not written over a file of the model that scores it', async () => {
  const line = `${JSON.stringify({ qid: '1', docid: 'a', query: 'q', text: 't', score: 1 })}\n`;
  const model = join(folder, 'model');
  await copyModel(model);
  await using dataset = await RunDataset.open({ runPathOrId: file('input.jsonl', line) });
  await using loaded = await CrossEncoder.load(model);
  const before = await listing(model);
  for (const name of ['config.json', 'model.safetensors', 'pytorch_model.bin']) {
    const outputPath = join(model, name);
    await refuses(() => rerank({ model: loaded, dataset, outputPath, tag: 'x' }), 'bad_input', 'would overwrite');
  }
  assert.equal(await listing(model), before);
});

test.run();
