import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { sharedPath } from '../support/shared.js';
import { run } from '../support/cli.js';
import { inFolder, useOwnCache, writeFiles } from '../support/files.js';

/** The paper's configurations as they are, on DL 2020: only paths and the number of steps are given besides. */
const test = suite('the paper’s configurations train');
useOwnCache(test);

const preFinetune = sharedPath('seed/configs/pre-finetune.yaml');
const finetune = sharedPath('seed/configs/finetune.yaml');
const backbone = sharedPath('golden/tiny-electra-backbone');
const data = sharedPath('data/trec-dl-2020');

/** Registers DL 2020 under the ids of the configurations. */
function registration(folder: string): string {
  const files = `docs: ${folder}/collection.tsv, queries: ${folder}/queries.tsv, qrels: ${folder}/qrels.txt`;
  return [
    'datasets:',
    `  msmarco-passage/train/rank-distillm-colbert: {${files}, scoreddocs: ${folder}/runs/bm25.run}`,
    `  msmarco-passage/train/rank-distillm-rankzephyr: {${files}, scoreddocs: ${folder}/runs/rank-vicuna_bm25.run}`,
    '',
  ].join('\n');
}

if (preFinetune && finetune && backbone && data) {
  test('pre-finetune.yaml, then finetune.yaml from its checkpoint, 32 queries x 100 documents a step', () =>
    inFolder(async (folder) => {
      await writeFiles(folder, { 'data.yaml': registration(data) });
      const fit = (config: string, model: string, steps: number, root: string) =>
        run(
          ['fit', '--config', config, '--config', 'data.yaml', '--model.model_name_or_path', model]
            .concat(['--trainer.max_steps', String(steps), '--trainer.default_root_dir', root])
            // 3,200 pairs are some 300,000 tokens: the batch is computed in parts
            .concat(['--trainer.token_budget', '20000']),
          { cwd: folder },
        );
      const one = await fit(preFinetune, backbone, 3, 'one');
      assert.is(one.code, 0, one.stderr);
      const first = join(folder, 'one/lightning_logs/version_0/huggingface_checkpoint');
      const two = await fit(finetune, first, 1, 'two');
      assert.is(two.code, 0, two.stderr);
      const second = join(folder, 'two/lightning_logs/version_0');
      assert.match(await readFile(join(second, 'pl_config.yaml'), 'utf8'), /rank-distillm-rank-zephyr/);
      assert.ok(existsSync(join(second, 'huggingface_checkpoint/model.safetensors')));
      await using model = await CrossEncoder.load(join(second, 'huggingface_checkpoint'));
      assert.is(model.modelClass, 'MonoElectraModel');
    }));
}

test.run();
