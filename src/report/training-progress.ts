import { SingleBar } from 'cli-progress';
import { formatDuration } from './duration.js';
import { formatFigure } from './figure.js';

/** What of a step report is shown. */
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
  /** Steps of the whole run; undefined when only time ends it. */
  totalSteps: number | undefined;
  /** Step that the run goes on from. Default 0. */
  startStep?: number | undefined;
  /** Seconds after which the run ends; undefined: no limit. */
  maxSeconds?: number | undefined;
  /** A bar where this is a TTY, else a line every few seconds. Default: stderr. */
  stream?: (NodeJS.WritableStream & { isTTY?: boolean }) | undefined;
  /** Milliseconds since some fixed moment. */
  now?: (() => number) | undefined;
}

export interface TrainingProgress {
  step(figures: StepFigures): void;
  /** A line that stays, above the bar: a validation's measures, a warning. */
  note(line: string): void;
  /** Draws the last state and gives the terminal back. Call it on failure too. */
  stop(): void;
}

/** Steps take seconds and runs take hours: fewer lines than for a re-ranking. */
const LINE_INTERVAL_MS = 30_000;
/** Rates are of the steps of so many last seconds: long enough to be calm, short enough to show a change. */
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

/** Shows how a training run goes: step, loss, learning rate, pairs and tokens a second, waiting for data, time left. */
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

/** Seconds to the end, from the mean over all steps so far: validations and checkpoints count. */
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
    const sum = (of: (step: StepFigures) => number): number => this.#steps.reduce((total, step) => total + of(step), 0);
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
    // the caller's handler ends the run and calls stop(); the bar's own would kill the process first
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
