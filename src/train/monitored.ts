import { nearestHint } from '../config/nearest.js';
import { RankDistillmError } from '../errors.js';

export type Metrics = Readonly<Record<string, number>>;

/**
 * The value of a metric that a policy watches, or undefined where it is not there yet.
 * @param policy whose argument `monitor` is, for the message
 * @param mayStillCome false once everything that is ever logged has been logged
 * @throws bad_input that names the metrics there are, when it is missing and will not come
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
