import { join } from 'node:path';
import { DATASET_IDS, type WorldFiles } from './world/write.js';

/** What all configurations of the demo share. */
export interface DemoSetting {
  files: WorldFiles;
  seed: number;
}

export const MEASURES = ['nDCG@10', 'AP', 'RR'];

/** The sections that training and re-ranking share, for the data of one split. */
function config({ files }: DemoSetting, split: 'train' | 'test', trainer: object, data: object, model: object): object {
  const { queries, qrels } = files[split];
  return {
    datasets: { [DATASET_IDS[split]]: { docs: files.collection, queries, qrels } },
    trainer: { precision: '32-true', ...trainer },
    data: { class_path: 'LightningIRDataModule', init_args: data },
    model: {
      class_path: 'CrossEncoderModule',
      init_args: {
        // lengths that cut nothing of the invented texts
        config: { class_path: 'CrossEncoderConfig', init_args: { query_length: 32, doc_length: 128 } },
        ...model,
      },
    },
  };
}

const runDataset = (initArgs: object): object => ({ class_path: 'RunDataset', init_args: initArgs });

/** Trains `model` in `folder` for so many steps; eight passages of a topic, 32 topics a step. */
function fitConfig(setting: DemoSetting, model: string, folder: string, steps: number, loss: string, dataset: object) {
  const logger = { class_path: 'CSVLogger', init_args: { save_dir: folder, name: 'lightning_logs' } };
  const trainer = {
    max_steps: steps,
    log_every_n_steps: Math.max(1, Math.min(5, steps)),
    default_root_dir: folder,
    logger,
    callbacks: [{ class_path: 'LearningRateMonitor' }],
  };
  const data = { train_batch_size: 32, train_dataset: runDataset({ ...dataset, sample_size: 8 }) };
  return {
    seed_everything: setting.seed,
    ...config(setting, 'train', trainer, data, { model_name_or_path: model, loss_functions: [{ class_path: loss }] }),
    optimizer: { class_path: 'torch.optim.AdamW', init_args: { lr: 1e-3 } },
    lr_scheduler: {
      class_path: 'LinearLRSchedulerWithLinearWarmup',
      init_args: { num_warmup_steps: Math.min(30, steps) },
    },
  };
}

/** Stage one: a relevant passage against passages that BM25 ranks for the same question, with InfoNCE. */
export function firstStageConfig(setting: DemoSetting, model: string, folder: string, steps: number): object {
  const dataset = { targets: 'relevance', sampling_strategy: 'single_relevant' };
  const { bm25 } = setting.files.train;
  return fitConfig(setting, model, folder, steps, 'InfoNCE', { run_path_or_id: bm25, ...dataset });
}

/** Stage two: the order in which the teacher puts BM25's passages, with RankNet. */
export function secondStageConfig(setting: DemoSetting, model: string, folder: string, steps: number): object {
  const dataset = { targets: 'rank', sampling_strategy: 'top_and_random' };
  const { teacher } = setting.files.train;
  return fitConfig(setting, model, folder, steps, 'RankNet', { run_path_or_id: teacher, ...dataset });
}

/** Re-ranks BM25's run of the test queries. */
export function reRankConfig(setting: DemoSetting, model: string, saveDir: string, runName: string): object {
  const callback = {
    class_path: 'ReRankCallback',
    init_args: { save_dir: saveDir, run_name: runName, overwrite: true },
  };
  const dataset = runDataset({ run_path_or_id: setting.files.test.bm25, sampling_strategy: 'top' });
  return config(
    setting,
    'test',
    { callbacks: [callback] },
    { inference_datasets: [dataset] },
    { model_name_or_path: model, evaluation_metrics: MEASURES },
  );
}

/** Where `fit` logs a folder's first run. */
export function trainingLog(folder: string): string {
  return join(folder, 'lightning_logs', 'version_0', 'metrics.csv');
}

/** Where `fit` writes the model of a folder's first run. */
export function trainedModel(folder: string): string {
  return join(folder, 'lightning_logs', 'version_0', 'huggingface_checkpoint');
}
