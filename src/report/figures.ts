/** Formats a number with about four digits, and with an exponent if it is very small or large. */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2).replace(/\.?0+e/, 'e');
  return size >= 100 ? value.toFixed(1) : value.toFixed(4);
}

/** Formats seconds: `9s`, `4m05s`, `2h03m`; `?` if not finite. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
}

/** Precision and, for a GPU, device: `float32`, `bfloat16 on cuda:0`. */
export function onDevice({ precision, device }: { precision: string; device: string }): string {
  return device === 'cpu' ? precision : `${precision} on ${device}`;
}
