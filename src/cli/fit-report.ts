import type { Config } from '../config/schema/schema.js';
import type { FitResult, FitSummary } from '../fit/fit-options.js';
import { formatFigure } from '../report/figures.js';
import { formatMetrics } from '../report/table.js';
import { createTrainingProgress, type TrainingProgress } from '../report/training-progress.js';
import { formatTrainingSummary } from '../report/training-summary.js';
import type { StepReport, ValidationReport } from '../train/training-reports.js';
import { note, warn, type CliIo } from './cli-io.js';

/** What a person sees of a run, on stderr. */
export class FitReport {
  #progress: TrainingProgress | undefined;

  constructor(
    private readonly trainer: Config['trainer'],
    private readonly io: CliIo,
  ) {}

  /** @param resumed the checkpoint the run continues from */
  begin(summary: FitSummary, resumed: string | undefined): void {
    const { totalSteps, startStep, maxSeconds } = summary;
    const stream = this.io.stderr;
    if (this.trainer.enable_model_summary !== false) {
      const text = formatTrainingSummary(summary, { decorated: stream.isTTY === true });
      stream.write(`${text}\n`);
    }
    if (resumed !== undefined) note(this.io, `continuing from step ${startStep} of ${resumed}`);
    if (this.trainer.enable_progress_bar !== false)
      this.#progress = createTrainingProgress({ totalSteps, startStep, maxSeconds, stream });
  }

  step(report: StepReport): void {
    this.#progress?.step(report);
  }

  /** A line for each validation; the one before training only says that all works. */
  validation({ step, sanityCheck, metrics }: ValidationReport): void {
    if (sanityCheck || Object.keys(metrics).length === 0) return;
    const figures = Object.entries(metrics).map(([name, value]) => `${name} ${formatFigure(value)}`);
    this.#line(`step ${step}: ${figures.join(', ')}`);
  }

  warning(message: string): void {
    if (this.#progress) this.#progress.note(`warning: ${message}`);
    else warn(this.io, message);
  }

  end({ step, reason, modelFolder, skippedSteps }: FitResult): void {
    this.stop();
    const skipped = skippedSteps === 0 ? '' : `; ${skippedSteps} non-finite steps skipped`;
    const model = modelFolder === undefined ? 'Nothing was saved.' : `Model saved to ${modelFolder}`;
    note(this.io, `Finished at step ${step} (${reason}${skipped}). ${model}`);
  }

  /** Gives the terminal back; after a failure, too. */
  stop(): void {
    this.#progress?.stop();
    this.#progress = undefined;
  }

  #line(text: string): void {
    if (this.#progress) this.#progress.note(text);
    else note(this.io, text);
  }
}

/** The measures of the last validation, a row for each dataset; undefined without any. */
export function measuresTable(
  names: readonly string[],
  metrics: Readonly<Record<string, number>>,
  io: CliIo,
): string | undefined {
  const rows = names.map((label) => {
    const prefix = `${label}/`;
    const own = Object.entries(metrics).filter(([name]) => name.startsWith(prefix));
    return { label, values: Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value])) };
  });
  if (rows.every(({ values }) => Object.keys(values).length === 0)) return undefined;
  return formatMetrics('dataset', rows, { decorated: io.stdout.isTTY === true });
}
