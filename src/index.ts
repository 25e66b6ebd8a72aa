/** @module rank-distillm */

export type {
  Activation,
  AdamWStep,
  CancelToken,
  ComputePrecision,
  DropoutRates,
  Dtype,
  EncoderConfig,
  EngineInfo,
  FlatArray,
  FloatPrecision,
  ForwardResult,
  GpuInfo,
  GradientSums,
  HeadConfig,
  NamedTensor,
  NativeTrainer,
  OpSeconds,
  PackedBatch,
  ParameterPlace,
  Pooling,
  ScoreResult,
  TensorData,
  TrainingBatch,
} from '../binding.js';
export { CrossEncoder } from './engine/cross-encoder.js';
export type { DetailedScores, RankedDocument, Ranking, RefineRequest } from './engine/cross-encoder.js';
export type { LoadOptions, RankOptions, ScoreOptions, StreamOptions } from './engine/cross-encoder-options.js';
export type { Arithmetic, ArithmeticChoice } from './engine/arithmetic.js';
export type { ErrorBounds, RefinedCounts } from './engine/finer-scores.js';
export { doctor, type DoctorOptions } from './doctor/doctor.js';
export type {
  DoctorCheck,
  DoctorReport,
  EngineReport,
  GpuReport,
  HubReport,
  MachineReport,
  ModelReport,
  PrecisionReport,
} from './doctor/report.js';
export { RankDistillmError, type ErrorCode, type ErrorDetails } from './errors.js';
export {
  rerank,
  type RerankDataset,
  type RerankOptions,
  type RerankProgress,
  type RerankResult,
} from './rerank/rerank.js';
export { rerankRuns } from './rerank/rerank-runs.js';
export type { RerankedRun, RerankRunsOptions } from './rerank/rerank-options.js';
export { mergeRuns, type MergedRun, type MergeRunsOptions } from './rerank/merge-runs.js';
export type { Shard } from './config/schema/shard.js';
export type { EncodedPair, TextPair } from './tokenize/pair-tokenizer.js';

export type { Qrel, RankingSample, RunEntry } from './data/records.js';
export { readRun, streamRunTopics, type ReadRunOptions, type RunTopic } from './data/run-file.js';
export {
  writeRun,
  writeRunTopics,
  type ScoredDocument,
  type WriteRunOptions,
  type WrittenRun,
  type WriteTopic,
} from './data/write-run.js';
export { subsampleRun, type SubsampledRun, type SubsampleOptions } from './data/subsample.js';
export { readQrels } from './data/formats/qrels.js';
export { readDocuments, readQueries, type TextRecord } from './data/formats/texts.js';
export type { CollectionIndexOptions } from './data/collection/index-cache.js';
export { CollectionStore, type CollectionOptions } from './data/collection/collection-store.js';
export { withDownloads, type DownloadListener, type DownloadProgress } from './fetch/downloads.js';
export { provideFile } from './fetch/datasets.js';
export { fetchModel } from './models/resolve-model.js';
export { DatasetRegistry, type DatasetParts, type RegisteredDataset } from './data/registry.js';
export { RunDataset, type RunDatasetFiles } from './data/run-dataset.js';
export type { Share, TopicChoice } from './data/training-dataset.js';
export type { RunDatasetOptions } from './data/run-options.js';
export type { SamplingStrategy } from './data/samplers.js';
export type { Targets } from './data/targets.js';

export type { Fact, Facts } from './io/fingerprint.js';

export { evaluate, type Evaluation, type MeasureValues } from './evaluate/evaluate.js';

export {
  compareRuns,
  cutToFirstStage,
  type ComparedColumn,
  type ComparedDataset,
  type ComparedValue,
  type CompareOptions,
  type Comparison,
  type Difference,
  type ScoredEntry,
} from './compare/compare.js';
export { readExperiments, type ReadExperimentsOptions } from './compare/experiments.js';
export { readDataset, type ReadDataset, type ReadDatasetOptions } from './compare/read-dataset.js';
export { report, type DatasetToReport, type ReportOptions } from './report-page/report.js';
export type { ReportedSpeed, TrainingLog } from './report-page/report-data.js';
export { formatComparison, type ComparisonFormat } from './compare/format.js';
export type { Correction } from './compare/paired-tests.js';

export { RankGroup, type JoinOptions } from './ranks/rank-group.js';
export { rankEnvironment, type RankEnvironment } from './ranks/environment.js';
export { fit } from './fit/fit.js';
export type { FitOptions, FitResult, FitSummary, TrainOptions, ValidateOptions } from './fit/fit-options.js';
export type { EngineOptions } from './engine/engine-options.js';
export type { ScoredWindow } from './engine/score-windows.js';
export type { Checkpoint } from './models/checkpoint.js';
export type { PairEncoding, TokenizerSettings } from './models/pair-encoding.js';
export type { ScoreActivation } from './models/sentence-transformers.js';
export type { JsonObject } from './models/json-file.js';
export type { MonoOverrides } from './models/load-checkpoint.js';
export type { MonoSettings, TrainingConfig } from './models/model-config.js';
export type { EncoderKeys, Family, FamilyTokenizer, TensorNames } from './models/families/family.js';
export type { TensorValues } from './models/raw-tensor.js';
export type { PairTokenizer, PairTokens } from './tokenize/pair-tokenizer.js';
export type { Passage, Passages } from './tokenize/passages.js';
export { TrainableModel, type TrainableModelOptions } from './engine/trainable-model.js';
export {
  Trainer,
  type AdamWOptions,
  type BatchResult,
  type BatchSample,
  type EncodedBatch,
  type TrainerOptions,
  type UpdateResult,
} from './train/trainer.js';
export type { OptionName, ByOptionName } from './config/option-names.js';
export type { OptionsOf, SettingsOf } from './config/read-settings.js';
export type { BatchLimit } from './config/schema/batch-limit.js';
export { SettingError, type SettingErrorDetails, type SettingPath } from './config/setting-error.js';
export type { TrainerSettings } from './train/train-limits.js';
export type { EarlyStoppingOptions } from './train/early-stopping.js';
export type { ModelCheckpointOptions } from './train/checkpoints/keeper.js';
export type { StepReport, ValidationReport } from './train/training-reports.js';
export type { LrSchedule } from './train/lr-schedules.js';
export {
  ConstantLR,
  CosineAnnealingLR,
  LinearLR,
  type ConstantLROptions,
  type CosineAnnealingLROptions,
  type LinearLROptions,
} from './train/lr-schedules.js';
export {
  ConstantLRSchedulerWithLinearWarmup,
  LinearLRSchedulerWithLinearWarmup,
  type ConstantWarmupOptions,
  type LinearWarmupOptions,
} from './train/lr-schedules.js';

export { openTrainingDataset, openValidationDataset } from './data/open-dataset.js';
export type { OpenContext } from './data/open-run.js';
export type {
  EpochOptions,
  TrainingContext,
  TrainingDataset,
  TrainingSample,
  ValidationDataset,
} from './data/training-dataset.js';
export type { TupleDatasetOptions } from './data/tuple-dataset.js';

export { createLoss } from './loss/create-loss.js';
export { loadUserLoss } from './loss/load-user-loss.js';
export type { Loss, LossResult, ScoreMatrix } from './loss/loss.js';
export type { NonFinite } from './loss/find-non-finite.js';
export {
  weightedLosses,
  type WeightedLoss,
  type WeightedLosses,
  type WeightedLossResult,
} from './loss/weighted-losses.js';

export type { MetricLogger } from './report/metric-logger.js';
export type { TrainingSummary } from './report/training-summary.js';
export { ConsoleLogger, type ConsoleLoggerOptions } from './report/console-logger.js';
export { CsvLogger, type CsvLoggerOptions } from './report/csv-logger.js';
export { TensorBoardLogger, type TensorBoardLoggerOptions } from './report/tensorboard-logger.js';
export { versionFolder } from './report/version-folder.js';
