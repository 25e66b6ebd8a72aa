import { nearestHint } from '../config/nearest.js';
import { RankDistillmError } from '../errors.js';
import { plainName } from '../fit/monitor-names.js';
import type { PlacedMonitor } from './fit-plan/callbacks.js';

/** What a run logs: callbacks may watch no other names. */
export interface LoggedNames {
  /** Of the losses, each once. */
  losses: readonly string[];
  /** Names of the validation datasets, and whether they have targets. */
  datasets: readonly { name: string; hasTargets: boolean }[];
  /** Measures, and `loss`. */
  metrics: readonly string[];
}

/** A misspelt monitor would show at the first validation, after hours. */
export function checkMonitors(monitors: readonly PlacedMonitor[], logged: LoggedNames): void {
  const measures = logged.metrics.filter((name) => name !== 'loss');
  const validation = logged.datasets.flatMap(({ name, hasTargets }) => [
    ...measures.map((measure) => `${name}/${measure}`),
    ...(hasTargets && logged.metrics.includes('loss') ? logged.losses.map((loss) => `${name}/validation-${loss}`) : []),
  ]);
  const datasets = logged.datasets.map(({ name }) => name);
  const known = ['loss', ...logged.losses, ...validation, 'epoch', 'step'];
  for (const { name, place } of monitors) {
    if (known.includes(plainName(name, datasets))) continue;
    throw new RankDistillmError('bad_input', `${place}: "${name}" is not logged; logged are ${known.join(', ')}`, {
      hint: nearestHint(name, known, 'name'),
    });
  }
}
