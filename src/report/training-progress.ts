import { SingleBar } from 'cli-progress';
import { formatDuration } from './duration.js';
import { formatFigure } from './figure.js';

/** The part of a step report that is shown. */
export interface StepFigures {
  /** Optimizer steps so far. */
  step: number;
  /** 0-based. */
  epoch: number;
  loss: number;
  learningRate: number;
  pairs: number;
  tokens: number;
  /** Wall-clock seconds of the step. */
  seconds: number;
  /** Share of `seconds` in which the engine waited for data. */
  waitShare: number;
}

export interface TrainingProgressOptions {
  /** Steps of the whole run; undefined if only time limits it. */
  totalSteps: number | undefined;
  /** Step that the run continues from. Default 0. */
  startStep?: number | undefined;
  /** Seconds after which the run ends; undefined: no limit. */
  maxSeconds?: number | undefined;
  /** A bar if this is a TTY, else a line every 30 seconds. Default: stderr. */
  stream?: (NodeJS.WritableStream & { isTTY?: boolean }) | undefined;
  /** Monotonic clock in milliseconds. */
  now?: (() => number) | undefined;
}

export interface TrainingProgress {
  step(figures: StepFigures): void;
  /** Prints a permanent line above the bar, such as a validation's measures or a warning. */
  note(line: string): void;
  /** Draws the last state and restores the terminal. Call it on failure as well. */
  stop(): void;
}

/** Longer than for re-ranking, since runs take hours. */
const LINE_INTERVAL_MS = 30_000;
/** Window for rates: long enough to be stable, short enough to show changes. */
const RATE_SECONDS = 30;

interface Shown {
  [key: string]: string;
  epoch: string;
  loss: string;
  lr: string;
  pairs: string;
  tokens: string;
  wait: string;
  left: string;
}

/** Shows step, loss, learning rate, pairs and tokens per second, share of waiting for data, and time left. */
export function createTrainingProgress(options: TrainingProgressOptions): TrainingProgress {
  const { totalSteps, stream = process.stderr, now = () => performance.now() } = options;
  const rates = new Rates();
  const timeLeft = timer(options, now);
  const show = (figures: StepFigures): Shown => {
    rates.add(figures);
    return {
      epoch: String(figures.epoch),
      loss: formatFigure(figures.loss),
      lr: formatFigure(figures.learningRate),
      ...rates.shown(),
      left: formatDuration(timeLeft(figures.step)),
    };
  };
  const start = options.startStep ?? 0;
  return stream.isTTY ? bar(stream, totalSteps, start, show) : lines(stream, totalSteps, show, now);
}

/** Estimates the seconds left from the mean time per step so far, including validations and checkpoints. */
function timer(options: TrainingProgressOptions, now: () => number): (step: number) => number {
  const { totalSteps = Number.POSITIVE_INFINITY, startStep = 0, maxSeconds = Number.POSITIVE_INFINITY } = options;
  const begun = now();
  return (step) => {
    const elapsed = (now() - begun) / 1000;
    const stepsLeft = ((totalSteps - step) * elapsed) / Math.max(step - startStep, 1);
    return Math.max(0, Math.min(stepsLeft, maxSeconds - elapsed));
  };
}

class Rates {
  readonly #steps: StepFigures[] = [];
  #seconds = 0;

  add(figures: StepFigures): void {
    this.#steps.push(figures);
    this.#seconds += figures.seconds;
    for (;;) {
      const oldest = this.#steps.length > 1 ? this.#steps[0] : undefined;
      if (!oldest || this.#seconds - oldest.seconds < RATE_SECONDS) return;
      this.#seconds -= oldest.seconds;
      this.#steps.shift();
    }
  }

  shown(): Pick<Shown, 'pairs' | 'tokens' | 'wait'> {
    const sum = (valueOf: (step: StepFigures) => number): number =>
      this.#steps.reduce((total, step) => total + valueOf(step), 0);
    const seconds = Math.max(this.#seconds, Number.MIN_VALUE);
    const pairs = sum((step) => step.pairs) / seconds;
    return {
      pairs: pairs >= 100 ? pairs.toFixed(0) : pairs.toFixed(1),
      tokens: (sum((step) => step.tokens) / seconds).toFixed(0),
      wait: ((100 * sum((step) => step.waitShare * step.seconds)) / seconds).toFixed(0),
    };
  }
}

function bar(
  stream: NodeJS.WritableStream,
  totalSteps: number | undefined,
  start: number,
  show: (figures: StepFigures) => Shown,
): TrainingProgress {
  const steps = totalSteps === undefined ? 'step {value}' : '{bar} {percentage}% | {value}/{total} steps';
  const drawn = new SingleBar({
    format:
      `epoch {epoch} ${steps} | loss {loss} | lr {lr} | {pairs} pairs/s | {tokens} tokens/s | ` +
      '{wait}% waiting | {left} left',
    stream,
    barsize: 20,
    hideCursor: true,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    // the caller handles signals and calls stop(); the bar's handler would exit the process first
    gracefulExit: false,
  });
  const nothing: Shown = { epoch: '0', loss: '-', lr: '-', pairs: '-', tokens: '-', wait: '-', left: '?' };
  drawn.start(totalSteps ?? 0, start, nothing);
  return {
    step: (figures) => drawn.update(figures.step, show(figures)),
    note: (line) => stream.write(`\r\u001b[K${line}\n`),
    stop: () => drawn.stop(),
  };
}

function lines(
  stream: NodeJS.WritableStream,
  totalSteps: number | undefined,
  show: (figures: StepFigures) => Shown,
  now: () => number,
): TrainingProgress {
  let last = '';
  let isShown = true;
  let shownAt = now();
  const print = (): void => {
    stream.write(`${last}\n`);
    isShown = true;
    shownAt = now();
  };
  return {
    step(figures) {
      const { epoch, loss, lr, pairs, tokens, wait, left } = show(figures);
      const step = totalSteps === undefined ? `${figures.step}` : `${figures.step}/${totalSteps}`;
      last =
        `step ${step}, epoch ${epoch}: loss ${loss}, lr ${lr}, ${pairs} pairs/s, ${tokens} tokens/s, ` +
        `${wait}% waiting, ${left} left`;
      isShown = false;
      if (now() - shownAt >= LINE_INTERVAL_MS) print();
    },
    note(line) {
      stream.write(`${line}\n`);
    },
    stop() {
      if (!isShown) print();
    },
  };
}
