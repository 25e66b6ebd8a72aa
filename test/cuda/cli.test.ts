import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRun } from '../../src/data/run-file.js';
import { run } from '../support/cli.js';
import { writeCollection, writeTrainingCollection } from '../support/collections.js';
import { inFolder, useOwnCache } from '../support/files.js';
import { expectedPairs, modelFolder } from '../support/models.js';
import { useDevices } from '../support/devices.js';
import { TOLERANCES } from '../support/tolerances.js';

const test = suite('commands on a device');
useOwnCache(test);
useDevices();

test('re_rank with accelerator gpu writes the run that the CPU writes', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const path = join(folder, 'mono-rank/runs/__bm25__tiny-set.run');
    const rerank = async (...argv: string[]) => {
      const overwrite = ['--trainer.callbacks+=ReRankCallback', '--trainer.callbacks.overwrite', 'true'];
      const { code, stderr } = await run(['re_rank', '--config', 'config.yaml', ...overwrite, ...argv], {
        cwd: folder,
      });
      assert.is(code, 0, stderr);
      return { stderr, ranked: await readRun(path) };
    };
    const found = await rerank('--trainer.accelerator', 'gpu', '--trainer.devices', '[0]');
    const expected = await rerank('--trainer.accelerator', 'cpu');
    assert.match(found.stderr, /pairs\/s, float32 on cuda:0\)/);
    assert.not.match(expected.stderr, /cuda/);
    assert.is(found.ranked.length, expected.ranked.length);
    found.ranked.forEach(({ queryId, docId, score }, i) => {
      assert.equal([queryId, docId], [expected.ranked[i]!.queryId, expected.ranked[i]!.docId]);
      assert.ok(Math.abs(score - expected.ranked[i]!.score) <= TOLERANCES.cuda.float32.score);
    });
  }));

test('score --device cuda', async () => {
  const pairs = await expectedPairs();
  const stdin = pairs.map(({ query, document }) => JSON.stringify({ query, document })).join('\n');
  const argv = ['score', '--model', modelFolder(), '--input', '-', '--device', 'cuda:0', '--precision', 'bf16-true'];
  const { code, stdout, stderr } = await run(argv, { stdin });
  assert.is(code, 0, stderr);
  assert.match(stderr, /scored \d+ pairs in .* \(bfloat16 on cuda:0\)/);
  assert.is(stdout.trim().split('\n').length, pairs.length);
});

test('fit with accelerator gpu trains, says where, and saves a model', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const gpu = [
      '--trainer.accelerator',
      'gpu',
      '--trainer.precision',
      'bf16-mixed',
      '--trainer.memory_fraction',
      '0.9',
    ];
    const { code, stderr } = await run(['fit', '--config', 'config.yaml', ...gpu], { cwd: folder });
    assert.is(code, 0, stderr);
    assert.match(stderr, /computes in +bfloat16 on cuda:0/);
    const config = join(folder, 'out/lightning_logs/version_0/huggingface_checkpoint/config.json');
    assert.match(await readFile(config, 'utf8'), /MonoElectraModel/);
  }));

test.run();
