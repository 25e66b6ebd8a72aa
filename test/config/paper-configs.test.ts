import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../src/config/load-config.js';
import { sharedPath } from '../support/shared.js';
import { runArguments } from '../support/config.js';

const test = suite('the paper’s configurations');

const rerank = sharedPath('seed/configs/re-rank.yaml');
const finetune = sharedPath('seed/configs/finetune.yaml');
const preFinetune = sharedPath('seed/configs/pre-finetune.yaml');

if (rerank) {
  test('re-rank.yaml says what the paper says', async () => {
    const { config, ignored } = await loadConfig([
      { kind: 'file', path: rerank },
      { kind: 'override', option: '--model.model_name_or_path', text: 'webis/monoelectra-base' },
    ]);
    assert.is(config.trainer.precision, 'bf16-mixed');
    const datasets = config.data?.init_args.inference_datasets ?? [];
    assert.equal(
      datasets.map((dataset) => runArguments(dataset).run_path_or_id.split('__')[1]),
      ['colbert', 'colbert', 'bm25', 'bm25'],
    );
    assert.ok(datasets.every((dataset) => runArguments(dataset).depth === 100));
    assert.equal(config.model?.init_args.evaluation_metrics, ['nDCG@10']);
    assert.is(config.model?.init_args.model_name_or_path, 'webis/monoelectra-base');
    assert.is(ignored.length, 1);
    assert.match(ignored[0] ?? '', /num_workers/);
  });
}

if (finetune) {
  test('finetune.yaml is understood', async () => {
    const { config } = await loadConfig([{ kind: 'file', path: finetune }]);
    assert.is(config.seed_everything, 42);
    assert.is(config.trainer.max_epochs, 3);
    assert.is(config.optimizer?.init_args.lr, 1e-5);
    assert.is(config.data?.init_args.train_batch_size, 32);
    assert.is(config.data?.init_args.train_dataset?.init_args.targets, 'rank');
    assert.is(config.model?.init_args.config?.init_args.doc_length, 256);
    assert.equal(config.model?.init_args.loss_functions, [{ class_path: 'RankNet', init_args: { temperature: 1 } }]);
  });
}

if (preFinetune) {
  test('pre-finetune.yaml is understood', async () => {
    const { config } = await loadConfig([{ kind: 'file', path: preFinetune }]);
    assert.is(config.trainer.max_steps, 20000);
    assert.equal(config.data?.init_args.train_dataset, {
      class_path: 'RunDataset',
      init_args: {
        run_path_or_id: 'msmarco-passage/train/rank-distillm-colbert',
        dataset: null,
        depth: 200,
        sample_size: 8,
        sampling_strategy: 'single_relevant',
        targets: 'relevance',
        normalize_targets: false,
        add_docs_not_in_ranking: true,
      },
    });
    assert.equal(config.model?.init_args.loss_functions, [{ class_path: 'InfoNCE', init_args: {} }]);
  });
}

test.run();
