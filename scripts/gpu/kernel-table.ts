import { groupBy } from '../lib/data.js';

/** A launch that Nsight Compute has measured. Shares are of the chip's peak, in percent; NaN where it was not measured. */
interface Launch {
  kernel: string;
  nanoseconds: number;
  sm: number;
  dram: number;
  tensor: number;
  occupancy: number;
}

/** Launches of one kernel; shares are means weighted by time. */
export interface KernelUse extends Launch {
  launches: number;
  /** Of the time of all launches that were measured. */
  share: number;
}

const SHARES = ['sm', 'dram', 'tensor', 'occupancy'] as const;
const DURATION = /^gpu__time_duration\.sum$/;
/** A chip has some of a pattern's metrics, and of the tensor pipes several; the largest counts. */
const METRICS: Readonly<Record<(typeof SHARES)[number], RegExp>> = {
  sm: /^sm__throughput\.avg\.pct_of_peak_sustained_elapsed$/,
  dram: /^(gpu__)?dram__?throughput\.(avg|max)\.pct_of_peak_sustained_elapsed$/,
  tensor: /^sm__(inst_executed_)?pipe_tensor\w*\.(avg|max|sum)\.pct_of_peak_sustained_(active|elapsed)$/,
  occupancy: /^sm__warps_active\.avg\.pct_of_peak_sustained_active$/,
};
/** Some releases write them out: nsecond, usecond, msecond, second. */
const NANOSECONDS = new Map(Object.entries({ ns: 1, us: 1e3, ms: 1e6, s: 1e9 }));
const LONGEST_NAME = 60;

/** Fields of a line: each in quotes, quotes in them doubled. */
function fieldsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"]|"")*)"(?:,|$)/g)].map(([, field]) => field!.replaceAll('""', '"'));
}

/** Numbers have commas between thousands; `n/a` and an empty field are none. */
function numberOf(text: string | undefined): number {
  return text === undefined || text === '' ? Number.NaN : Number(text.replaceAll(',', ''));
}

/**
 * What `ncu --csv --page raw` prints: lines of its own (`==PROF== …`), a line with the columns' names, one with their
 * units, and a line for each launch.
 */
function readLaunches(csv: string): Launch[] {
  const [names = [], units = [], ...lines] = csv
    .split(/\r?\n/)
    .filter((line) => line.startsWith('"'))
    .map(fieldsOf);
  const kernel = names.indexOf('Kernel Name');
  const duration = names.findIndex((name) => DURATION.test(name));
  if (kernel < 0 || duration < 0) return [];
  const nanoseconds = NANOSECONDS.get(units[duration]?.replace(/econd$/, '') ?? '');
  if (nanoseconds === undefined) throw new Error(`${names[duration]}: unknown unit "${units[duration]}"`);
  const columns = SHARES.map((share) => names.flatMap((name, i) => (METRICS[share].test(name) ? [i] : [])));
  const largest = (fields: readonly string[], of: readonly number[]): number => {
    const values = of.map((i) => numberOf(fields[i])).filter((value) => !Number.isNaN(value));
    return values.length === 0 ? Number.NaN : Math.max(...values);
  };
  return lines.map((fields) => {
    const [sm, dram, tensor, occupancy] = columns.map((of) => largest(fields, of)) as [number, number, number, number];
    const time = numberOf(fields[duration]) * nanoseconds;
    return { kernel: fields[kernel]!, nanoseconds: time, sm, dram, tensor, occupancy };
  });
}

/** The kernels that took longest together, longest first. */
export function longestKernels(csv: string, count: number): KernelUse[] {
  const launches = readLaunches(csv);
  const all = launches.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0);
  return [...groupBy(launches, ({ kernel }) => kernel)]
    .map(([kernel, own]): KernelUse => {
      const nanoseconds = own.reduce((sum, launch) => sum + launch.nanoseconds, 0);
      const mean = (share: (typeof SHARES)[number]): number =>
        own.reduce((sum, launch) => sum + launch[share] * launch.nanoseconds, 0) / nanoseconds;
      const [sm, dram, tensor, occupancy] = SHARES.map(mean) as [number, number, number, number];
      const total = { nanoseconds, share: nanoseconds / all, launches: own.length };
      return { kernel, ...total, sm, dram, tensor, occupancy };
    })
    .sort((a, b) => b.nanoseconds - a.nanoseconds)
    .slice(0, count);
}

/** `void ns::kernel<int, 4>(float const*)` → `ns::kernel<int, 4>`. */
function shortName(kernel: string): string {
  const name = kernel.replace(/^void /, '').replace(/\((?:[^()]|\([^()]*\))*\)$/, '');
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name;
}

/** Kernels as a table in Markdown. */
export function formatKernels(kernels: readonly KernelUse[]): string {
  const percent = (value: number): string => (Number.isNaN(value) ? '' : value.toFixed(1));
  const rows = kernels.map((use) => [
    `\`${shortName(use.kernel).replaceAll('|', '\\|')}\``,
    String(use.launches),
    (use.nanoseconds / use.launches / 1e3).toFixed(1),
    percent(use.share * 100),
    ...SHARES.map((share) => percent(use[share])),
  ]);
  const heads = ['kernel', 'launches', 'µs each', 'time %', 'SM %', 'DRAM %', 'tensor pipe %', 'occupancy %'];
  return [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
