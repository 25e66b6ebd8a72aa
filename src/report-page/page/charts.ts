import { barY, dot, line, link, plot, pointer, pointerX, rectY, ruleX, ruleY, text, tip } from '@observablehq/plot';
import type { PlotOptions } from '@observablehq/plot';
import type { SystemFigures, TrainingLog } from '../report-data.js';

const TIP = { fill: 'var(--surface)', stroke: 'var(--line)' } as const;

const widthNow = (): number => Math.max(320, Math.min(1080, document.documentElement.clientWidth - 40));
/** Room for the names at the ends of lines. */
const endRoom = (): number => Math.min(200, widthNow() / 4);
const endLabel = () => ({ textAnchor: 'start', dx: 6, lineWidth: endRoom() / 12, textOverflow: 'ellipsis' }) as const;

function chart(description: string, options: PlotOptions): Element {
  const width = widthNow();
  const drawn = plot({
    width,
    marginLeft: 50,
    marginBottom: 40,
    marginTop: 28,
    style: { fontSize: '12px' },
    ariaLabel: description,
    ...options,
  });
  for (const part of drawn.querySelectorAll('[aria-label]')) part.removeAttribute('aria-label'); // names of its marks
  drawn.setAttribute('role', 'img');
  drawn.setAttribute('aria-label', description);
  return drawn;
}

export interface Gain {
  topic: number;
  label: string;
  difference: number;
}

/** Gains and losses of the queries, largest gain first. A click opens a query. */
export function gainsChart(gains: readonly Gain[], measure: string, onOpen: (topic: number) => void): Element {
  const sorted = gains.toSorted((a, b) => b.difference - a.difference).map((gain, i) => ({ ...gain, i }));
  const wins = gains.filter(({ difference }) => difference > 0).length;
  const losses = gains.filter(({ difference }) => difference < 0).length;
  const drawn = chart(
    `Difference in ${measure} per query: ${wins} gains and ${losses} losses. The list below has the values.`,
    {
      height: 220,
      marginBottom: 12,
      x: { axis: null, domain: sorted.map(({ i }) => i), padding: sorted.length > 150 ? 0 : 0.15 },
      y: { label: `difference in ${measure}`, grid: true, nice: true },
      marks: [
        barY(sorted, {
          x: 'i',
          y: 'difference',
          fill: ({ difference }: Gain) => (difference > 0 ? 'var(--gain)' : 'var(--loss)'),
        }),
        ruleY([0]),
        tip(
          sorted,
          pointerX({
            ...TIP,
            x: 'i',
            y: 'difference',
            title: ({ label, difference }: Gain) => `${label}\n${difference.toFixed(4)}`,
          }),
        ),
      ],
    },
  );
  let at: (typeof sorted)[number] | undefined;
  drawn.addEventListener('input', () => (at = (drawn as Element & { value?: typeof at }).value ?? undefined));
  drawn.addEventListener('click', () => at && onOpen(at.topic));
  return drawn;
}

export interface Interval {
  system: string;
  mean: number;
  interval: readonly [number, number];
  isSignificant: boolean;
}

export function intervalsChart(rows: readonly Interval[], measure: string, baseline: string): Element {
  const longest = Math.max(...rows.map(({ system }) => system.length));
  return chart(`Mean difference in ${measure} to ${baseline} with its interval. The table beside it has the values.`, {
    height: 68 + 26 * rows.length,
    marginLeft: Math.min(widthNow() / 3, 20 + 7 * longest),
    x: { label: `difference in ${measure} to the baseline`, grid: true, nice: true },
    y: { label: null, domain: rows.map(({ system }) => system) },
    marks: [
      ruleX([0]),
      link(rows, {
        y: 'system',
        x1: (row: Interval) => row.interval[0],
        x2: (row: Interval) => row.interval[1],
        strokeWidth: 2,
        stroke: 'var(--accent)',
      }),
      dot(rows, {
        y: 'system',
        x: 'mean',
        r: 5,
        stroke: 'var(--accent)',
        fill: (row: Interval) => (row.isSignificant ? 'var(--accent)' : 'var(--surface)'),
      }),
    ],
  });
}

/** Mean nDCG over the cut-off: the baseline and the chosen system stand out. */
export function depthChart(figures: readonly SystemFigures[], baseline: string, chosen: string): Element {
  const points = figures.flatMap(({ system, depth }) => depth.map((value, i) => ({ system, cutOff: i + 1, value })));
  const named = (system: string) => points.filter((point) => point.system === system);
  const ends = points.filter(({ cutOff, system }) => cutOff === 100 && (system === baseline || system === chosen));
  return chart(`nDCG at the cut-offs 1 to 100 of ${figures.length} systems. A table below has some of the values.`, {
    height: 320,
    marginRight: endRoom(),
    x: { label: 'cut-off', domain: [1, 100] },
    y: { label: 'nDCG', grid: true, nice: true },
    marks: [
      line(points, { x: 'cutOff', y: 'value', z: 'system', stroke: 'var(--muted)', strokeWidth: 1 }),
      line(named(baseline), {
        x: 'cutOff',
        y: 'value',
        stroke: 'currentColor',
        strokeWidth: 2,
        strokeDasharray: '5 3',
      }),
      line(named(chosen), { x: 'cutOff', y: 'value', stroke: 'var(--accent)', strokeWidth: 2.5 }),
      text(ends, {
        x: 'cutOff',
        y: 'value',
        text: 'system',
        ...endLabel(),
      }),
      tip(
        points,
        pointer({
          ...TIP,
          x: 'cutOff',
          y: 'value',
          title: ({ system, cutOff, value }: (typeof points)[number]) =>
            `${system}\nnDCG@${cutOff} ${value.toFixed(4)}`,
        }),
      ),
    ],
  });
}

const gradeName = (grade: number | null): string => (grade === null ? 'not judged' : `grade ${grade}`);

/** How the scores of each grade are distributed, each grade by itself. */
export function scoresChart({ system, scores }: SystemFigures): Element | undefined {
  if (!scores) return undefined;
  const { lowest, highest, grades } = scores;
  const width = (highest - lowest) / grades[0]!.counts.length;
  const bins = grades.flatMap(({ grade, counts }) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return counts.map((count, i) => ({
      grade: `${gradeName(grade)} (${total})`,
      from: lowest + i * width,
      to: lowest + (i + 1) * width,
      share: count / total,
      count,
    }));
  });
  return chart(`Distribution of the scores of ${system} for each grade.`, {
    height: 68 + 64 * grades.length,
    marginLeft: 120,
    x: { label: 'score', ticks: 8, nice: true },
    y: { axis: null },
    fy: { label: null, domain: [...new Set(bins.map(({ grade }) => grade))].reverse(), axis: 'left' },
    marks: [
      rectY(bins, { x1: 'from', x2: 'to', y: 'share', fy: 'grade', fill: 'var(--accent)', inset: 0.5 }),
      ruleY([0]),
    ],
  });
}

export function trainingChart(series: TrainingLog['series'], label: string): Element {
  const points = series.flatMap(({ metric, points: each }) => each.map(([step, value]) => ({ metric, step, value })));
  const marksPoints = series.every(({ points: each }) => each.length <= 60);
  const ends = series.map(({ metric, points: each }) => ({ metric, step: each.at(-1)![0], value: each.at(-1)![1] }));
  return chart(`${label} over the steps of the training: ${series.map(({ metric }) => metric).join(', ')}.`, {
    height: 240,
    marginLeft: 65,
    marginRight: endRoom(),
    x: { label: 'step' },
    y: { label, grid: true, nice: true, ...(label === 'learning rate' ? { tickFormat: '.0e' } : {}) },
    color: {
      range: ['var(--accent)', 'var(--gain)', 'var(--loss)', 'currentColor'],
      domain: series.map(({ metric }) => metric),
    },
    marks: [
      line(points, { x: 'step', y: 'value', stroke: 'metric', strokeWidth: 2 }),
      marksPoints ? dot(points, { x: 'step', y: 'value', fill: 'metric', r: 2.5 }) : null,
      text(ends, {
        x: 'step',
        y: 'value',
        text: 'metric',
        ...endLabel(),
      }),
      tip(
        points,
        pointer({
          ...TIP,
          x: 'step',
          y: 'value',
          title: ({ metric, step, value }: (typeof points)[number]) =>
            `${metric}\nstep ${step}: ${value.toPrecision(5)}`,
        }),
      ),
    ],
  });
}
