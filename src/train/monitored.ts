import { nearestHint } from '../config/nearest.js';
import { RankDistillmError } from '../errors.js';

export type Metrics = Readonly<Record<string, number>>;

/** What a policy watches. Values of two of them cannot be compared. */
export interface Watched {
  /** null: nothing, the newest is the best. */
  monitor: string | null;
  mode: 'min' | 'max';
}

/**
 * Says what a policy watched before a resume, if it watches something else now. Lightning identifies the state of a
 * callback by both values.
 *
 * @param before undefined: an older release did not record it, and it counts as the same
 */
export function watchedOther(policy: string, before: Watched | undefined, now: Watched): string | undefined {
  const [then, today] = [before, now].map((watched) => watched && shown(watched));
  return then === undefined || then === today ? undefined : `${policy}: monitor was ${then} and is now ${today}`;
}

function shown({ monitor, mode }: Watched): string {
  return monitor === null ? 'null' : `"${monitor}" (${mode})`;
}

/**
 * Returns the value of a monitored metric, or undefined if it is not logged yet.
 * @param policy class that has the `monitor` argument, for the message
 * @param mayStillCome false once every metric of the run has been logged
 * @throws bad_input that lists the logged metrics, when the metric is missing and `mayStillCome` is false
 */
export function monitored(
  policy: string,
  monitor: string,
  metrics: Metrics,
  mayStillCome: boolean,
): number | undefined {
  if (Object.hasOwn(metrics, monitor)) return metrics[monitor];
  if (mayStillCome) return undefined;
  const known = Object.keys(metrics);
  const names = known.map((name) => `"${name}"`).join(', ');
  throw new RankDistillmError(
    'bad_input',
    `${policy}: monitor "${monitor}" is not logged; logged are ${names || 'none'}`,
    {
      hint: nearestHint(monitor, known, 'metric'),
    },
  );
}
