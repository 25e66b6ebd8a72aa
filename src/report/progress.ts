import { SingleBar } from 'cli-progress';
import { formatDuration } from './figures.js';

export interface ProgressOptions {
  /** Name of the job, for example the dataset. */
  label: string;
  /** Total units. */
  total: number;
  /** Units that were done before; they do not count for the rate. Default 0. */
  from?: number;
  /** Plural name of the unit, for example `pairs`. */
  unit: string;
  /** A bar if this is a TTY, else a line every 5 seconds. Default: stderr. */
  stream?: NodeJS.WritableStream & { isTTY?: boolean };
  /** Monotonic clock in milliseconds. */
  now?: () => number;
}

export interface Progress {
  /** Sets the units done so far. Cheap enough to call for every batch. */
  update(done: number): void;
  /** Draws the last state and restores the terminal. Call it on failure as well. */
  stop(): void;
}

/** Without a terminal the output is usually a log file: show progress without filling it. */
const LINE_INTERVAL_MS = 5_000;

/** Shows the progress of a long job, with its rate since the start and the time left at that rate. */
export function createProgress(options: ProgressOptions): Progress {
  const { label, total, from = 0, unit, stream = process.stderr, now = () => performance.now() } = options;
  const start = now();
  const state = (done: number): { rate: string; left: string } => {
    const seconds = (now() - start) / 1000;
    const rate = seconds > 0 ? Math.max(done - from, 0) / seconds : 0;
    return {
      rate: rate >= 100 ? rate.toFixed(0) : rate.toFixed(1),
      left: formatDuration(rate > 0 ? Math.max(total - done, 0) / rate : Number.POSITIVE_INFINITY),
    };
  };
  return stream.isTTY
    ? barProgress(label, total, from, unit, stream, state)
    : lineProgress(label, total, unit, stream, state, now);
}

type State = (done: number) => { rate: string; left: string };

function barProgress(
  label: string,
  total: number,
  from: number,
  unit: string,
  stream: NodeJS.WritableStream,
  state: State,
): Progress {
  const bar = new SingleBar({
    format: `${label} {bar} {percentage}% | {value}/{total} ${unit} | {rate} ${unit}/s | {left} left`,
    stream,
    hideCursor: true,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    // the caller handles signals and calls stop(); the bar's handler would exit the process first
    gracefulExit: false,
  });
  bar.start(total, from, state(from));
  return {
    update: (done) => bar.update(done, state(done)),
    stop: () => bar.stop(),
  };
}

function lineProgress(
  label: string,
  total: number,
  unit: string,
  stream: NodeJS.WritableStream,
  state: State,
  now: () => number,
): Progress {
  let done = 0;
  let shown = -1;
  let shownAt = now();
  const print = (): void => {
    const { rate, left } = state(done);
    stream.write(`${label}: ${done}/${total} ${unit}, ${rate} ${unit}/s, ${left} left\n`);
    shown = done;
    shownAt = now();
  };
  return {
    update(value) {
      done = value;
      if (now() - shownAt >= LINE_INTERVAL_MS) print();
    },
    stop() {
      if (done !== shown) print();
    },
  };
}
