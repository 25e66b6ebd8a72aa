/** `trainer.max_time` as Lightning takes it, `DD:HH:MM:SS` or the arguments of Python's timedelta, or seconds. */
export type TimeSpan =
  | number
  | string
  | {
      weeks?: number | undefined;
      days?: number | undefined;
      hours?: number | undefined;
      minutes?: number | undefined;
      seconds?: number | undefined;
    };

/** A span that the schema let through, in seconds. */
export function spanSeconds(span: TimeSpan): number {
  if (typeof span === 'number') return span;
  if (typeof span === 'string') {
    const [days = 0, hours = 0, minutes = 0, seconds = 0] = span.trim().split(':').map(Number);
    return spanSeconds({ days, hours, minutes, seconds });
  }
  const days = (span.weeks ?? 0) * 7 + (span.days ?? 0);
  const hours = days * 24 + (span.hours ?? 0);
  return (hours * 60 + (span.minutes ?? 0)) * 60 + (span.seconds ?? 0);
}
