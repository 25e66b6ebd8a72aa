import { nearestHint } from '../config/nearest.js';
import { RankDistillmError } from '../errors.js';

export type Metrics = Readonly<Record<string, number>>;

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
