import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { printConfig } from '../../src/config/print-config.js';
import { load } from '../support/config.js';

const test = suite('print config');

test('what is printed reads back as the same configuration', async () => {
  const { config } = await load([
    `
seed_everything: 7
datasets: {a/b: {docs: "1e5", queries: 'yes'}}
trainer: {precision: bf16, callbacks: [{class_path: ReRankCallback, init_args: {save_dir: "08"}}]}
data: {inference_datasets: [{run_path_or_id: "100_000"}, {run_path_or_id: b.run, depth: 1_00}]}
model: {model_name_or_path: "~", config: MonoConfig, loss_functions: [[ApproxNDCG, 0.5]]}
optimizer: {class_path: AdamW, init_args: {lr: 1.0e-05}}
`,
  ]);
  assert.equal((await load([printConfig(config)])).config, config);
});

test.run();
