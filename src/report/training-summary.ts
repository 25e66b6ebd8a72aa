import { formatDuration } from './figures.js';
import { onDevice } from './figures.js';
import { formatTable, type TableOptions } from './table.js';

/** Summary of a run before its first step. */
export interface TrainingSummary {
  /** Folder or id. */
  model: string;
  modelClass: string;
  /** Number of trained values. */
  parameters: number;
  precision: string;
  /** `cpu` or `cuda:N`. */
  device: string;
  threads: number;
  /** Tokens whose activations are held at a time. */
  tokenBudget: number;
  seed: number;
  dataset: string;
  samples: number;
  docsPerSample: number;
  /** Samples of a batch, on all ranks. */
  batchSize: number;
  /** Default: 1. */
  ranks?: number | undefined;
  batchesPerEpoch: number;
  /** Optimizer steps of the whole run; undefined if only time limits it. */
  totalSteps: number | undefined;
  /** Step that the run continues from. */
  startStep: number;
  /** The checkpoint that the run continues from. */
  resumed?: string | undefined;
  /** Default: 1. */
  accumulateGradBatches?: number | undefined;
  /** Seconds after which the run ends. */
  maxSeconds?: number | undefined;
  /** Measured seconds per step, if known. */
  secondsPerStep?: number | undefined;
}

const count = (value: number): string => value.toLocaleString('en-US');

function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

function parameterCount(value: number): string {
  return value >= 1e6 ? `${(value / 1e6).toFixed(1)} million` : count(value);
}

function steps({
  totalSteps,
  startStep,
  batchesPerEpoch,
  accumulateGradBatches: accumulate = 1,
}: TrainingSummary): string {
  if (totalSteps === undefined) return startStep > 0 ? `from ${count(startStep)} on` : 'as many as the time allows';
  const epochs = totalSteps / Math.max(Math.ceil(batchesPerEpoch / accumulate), 1);
  const whole = Number.isInteger(epochs) ? counted(epochs, 'epoch') : `${epochs.toFixed(1)} epochs`;
  return `${count(totalSteps)} (${whole})${startStep > 0 ? `, from ${count(startStep)} on` : ''}`;
}

function time({ totalSteps, startStep, maxSeconds, secondsPerStep }: TrainingSummary): string {
  const estimated =
    totalSteps === undefined || secondsPerStep === undefined ? undefined : (totalSteps - startStep) * secondsPerStep;
  if (maxSeconds !== undefined && (estimated === undefined || estimated > maxSeconds)) {
    return `at most ${formatDuration(maxSeconds)}`;
  }
  return estimated === undefined ? 'known after the first steps' : `about ${formatDuration(estimated)}`;
}

/** Formats the summary as a table, without a trailing newline. */
export function formatTrainingSummary(summary: TrainingSummary, options: TableOptions = {}): string {
  const { batchSize, docsPerSample, batchesPerEpoch, accumulateGradBatches: accumulate = 1 } = summary;
  const grouped = accumulate === 1 ? '' : `, ${accumulate} batches a step`;
  const divided = (summary.ranks ?? 1) === 1 ? '' : ` on ${summary.ranks} ranks`;
  const rows = [
    ['model', `${summary.model} (${summary.modelClass})`],
    ['parameters', parameterCount(summary.parameters)],
    [
      'computes in',
      summary.device === 'cpu' ? `${summary.precision}, ${counted(summary.threads, 'thread')}` : onDevice(summary),
    ],
    ['data', `${summary.dataset}: ${counted(summary.samples, 'sample')} of ${counted(docsPerSample, 'document')}`],
    ['batch', `${counted(batchSize, 'sample')}, ${counted(batchSize * docsPerSample, 'pair')}${divided}${grouped}`],
    ['at a time', counted(summary.tokenBudget, 'token')],
    ['epoch', counted(batchesPerEpoch, 'batch', 'batches')],
    ['steps', steps(summary)],
    ['time', time(summary)],
  ];
  return formatTable([{ head: 'training' }, { head: '' }], rows, options);
}
