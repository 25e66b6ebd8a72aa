import { BUCKETS } from '../report-data.js';
import type { ReportDataset, SystemFigures } from '../report-data.js';
import { depthChart, scoresChart } from './charts.js';
import { choice, figure, h, scrolled, sortableTable } from './dom.js';

/** Curves, scores and shifts of one system beside the baseline. */
export function rankingFigures({ figures }: ReportDataset, baseline: string, system: string): HTMLElement[] {
  const chosen = figures.find((each) => each.system === system)!;
  const cutOffs = [1, 3, 5, 10, 20, 50, 100];
  const values = sortableTable<SystemFigures>('nDCG at cut-offs', [
    { head: 'System', value: (each) => each.system },
    ...cutOffs.map((cutOff) => ({
      head: `@${cutOff}`,
      value: ({ depth }: SystemFigures) => depth[cutOff - 1],
      show: ({ depth }: SystemFigures) => depth[cutOff - 1]!.toFixed(4),
      isNumber: true,
    })),
  ]);
  values.show(figures);
  const scores = scoresChart(chosen);
  return [
    figure(
      `Effectiveness over depth: ${system} (blue), ${baseline} (dashed) and the other systems`,
      depthChart(figures, baseline, system),
      h('details', {}, h('summary', {}, 'Values'), values.element),
    ),
    figure(
      `Scores of ${system} by grade, each grade's documents by themselves`,
      scores ?? h('p', { class: 'quiet' }, 'All scores are the same.'),
    ),
    ...(chosen.shifts ? [shiftMatrix(chosen.shifts, baseline, system)] : []),
  ];
}

function shiftMatrix(shifts: NonNullable<SystemFigures['shifts']>, baseline: string, system: string): HTMLElement {
  const names = BUCKETS.map(([first, last]) =>
    last === Infinity ? `> ${first - 1}` : first === last ? String(first) : `${first}–${last}`,
  );
  const heads = [...names, 'not ranked'];
  const used = heads.flatMap((_, i) =>
    shifts.all.some((row, j) => row[i]! > 0 || (j === i && row.some(Boolean))) ? [i] : [],
  );
  const body = h('tbody');
  const draw = (which: string): void => {
    const matrix = which === 'all' ? shifts.all : shifts.relevant;
    const most = Math.max(1, ...matrix.flat());
    body.replaceChildren(
      ...used.map((i) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, heads[i]),
          used.map((j) => {
            const count = matrix[i]![j]!;
            const cell = h('td', { class: i === j ? 'number same' : 'number' }, count === 0 ? '' : String(count));
            cell.style.setProperty('--share', `${Math.round(100 * Math.sqrt(count / most))}%`);
            return cell;
          }),
        ),
      ),
    );
  };
  draw('all');
  const options = [
    ['all', 'all'],
    ['relevant', 'relevant (grade above 0)'],
  ] as const;
  return figure(
    `Shifts of ranks: documents by their rank in ${baseline} (rows) and in ${system} (columns)`,
    h('div', { class: 'controls' }, choice('Documents', options, draw)),
    scrolled(
      h(
        'table',
        { class: 'matrix' },
        h('caption', { class: 'hidden' }, 'Number of documents; below the diagonal they moved up'),
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('td'),
            used.map((i) => h('th', { scope: 'col', class: 'number' }, heads[i])),
          ),
        ),
        body,
      ),
      'Shifts of ranks',
    ),
    h('p', { class: 'quiet' }, 'Left of the diagonal documents moved up, right of it down.'),
  );
}
