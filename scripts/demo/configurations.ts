import { join } from 'node:path';
import { DATASET_IDS, type WorldFiles } from './world/write.js';

/** What all configurations of the demo share. */
export interface DemoSetting {
  files: WorldFiles;
  seed: number;
}

export const MEASURES = ['nDCG@10', 'AP', 'RR'];

/** Lengths that cut nothing of the invented texts. */
const CROSS_ENCODER = { class_path: 'CrossEncoderConfig', init_args: { query_length: 32, doc_length: 128 } };

/** One stage of training. */
interface Stage {
  model: string;
  /** For logs and the trained model. */
  folder: string;
  steps: number;
  warmUp: number;
  learningRate: number;
  /** Of topics. */
  batchSize: number;
  dataset: object;
  loss: string;
}

function fitConfig({ files, seed }: DemoSetting, stage: Stage): object {
  const { train } = DATASET_IDS;
  return {
    seed_everything: seed,
    datasets: { [train]: { docs: files.collection, queries: files.queries.train, qrels: files.qrels.train } },
    trainer: {
      precision: '32-true',
      max_steps: stage.steps,
      log_every_n_steps: 25,
      default_root_dir: stage.folder,
    },
    data: {
      class_path: 'LightningIRDataModule',
      init_args: {
        train_batch_size: stage.batchSize,
        train_dataset: { class_path: 'RunDataset', init_args: stage.dataset },
      },
    },
    model: {
      class_path: 'CrossEncoderModule',
      init_args: {
        model_name_or_path: stage.model,
        config: CROSS_ENCODER,
        loss_functions: [{ class_path: stage.loss }],
      },
    },
    optimizer: { class_path: 'torch.optim.AdamW', init_args: { lr: stage.learningRate } },
    lr_scheduler: {
      class_path: 'LinearLRSchedulerWithLinearWarmup',
      init_args: { num_warmup_steps: Math.min(stage.warmUp, stage.steps) },
    },
  };
}

/** Stage one: a judged passage against passages that BM25 ranks for the same question, with InfoNCE. */
export function firstStageConfig(setting: DemoSetting, model: string, folder: string, steps: number): object {
  return fitConfig(setting, {
    ...{ model, folder, steps, warmUp: 30, learningRate: 1e-3, batchSize: 32, loss: 'InfoNCE' },
    dataset: {
      run_path_or_id: setting.files.runs.train.bm25,
      targets: 'relevance',
      sample_size: 8,
      sampling_strategy: 'single_relevant',
    },
  });
}

/** Stage two: the order in which the teacher puts BM25's passages, with RankNet. */
export function secondStageConfig(setting: DemoSetting, model: string, folder: string, steps: number): object {
  return fitConfig(setting, {
    ...{ model, folder, steps, warmUp: 30, learningRate: 1e-3, batchSize: 32, loss: 'RankNet' },
    dataset: {
      run_path_or_id: setting.files.runs.train.teacher,
      targets: 'rank',
      sample_size: 8,
      sampling_strategy: 'top_and_random',
    },
  });
}

/** Re-ranks BM25's run of the test queries. */
export function reRankConfig({ files }: DemoSetting, model: string, saveDir: string): object {
  const { test } = DATASET_IDS;
  return {
    datasets: { [test]: { docs: files.collection, queries: files.queries.test, qrels: files.qrels.test } },
    trainer: {
      precision: '32-true',
      callbacks: [{ class_path: 'ReRankCallback', init_args: { save_dir: saveDir, overwrite: true } }],
    },
    data: {
      class_path: 'LightningIRDataModule',
      init_args: {
        inference_datasets: [
          {
            class_path: 'RunDataset',
            init_args: { run_path_or_id: files.runs.test.bm25, sampling_strategy: 'top' },
          },
        ],
      },
    },
    model: {
      class_path: 'CrossEncoderModule',
      init_args: { model_name_or_path: model, config: CROSS_ENCODER, evaluation_metrics: MEASURES },
    },
  };
}

/** Where `fit` leaves the model of a folder's first run. */
export function trainedModel(folder: string): string {
  return join(folder, 'lightning_logs', 'version_0', 'huggingface_checkpoint');
}
