import { data, signed } from './data.js';
import { intervalsChart } from './charts.js';
import { choice, figure, h, scrolled, section, sortableTable } from './dom.js';

const { comparison, datasets, table } = data;

const pValue = (p: number | undefined): string =>
  p === undefined ? '–' : p < 0.001 ? '< .001' : p.toFixed(3).slice(1);

/** The table of all systems, and their differences to the baseline. */
export function results(): HTMLElement | undefined {
  if (!table || !comparison) return undefined;
  const head = h(
    'tr',
    {},
    ['System', ...table.heads].map((text, i) => h('th', { scope: 'col', class: i > 0 ? 'number' : undefined }, text)),
  );
  const rows = table.rows.map(({ system, cells }) =>
    h(
      'tr',
      {},
      h(
        'th',
        { scope: 'row' },
        `${system} `,
        system === comparison.baseline && h('span', { class: 'tag' }, 'baseline'),
      ),
      cells.map((cell) =>
        cell === null
          ? h('td', { class: 'number quiet' }, '–')
          : h(
              'td',
              { class: 'number' },
              cell.mark === 'best'
                ? h('strong', {}, cell.text)
                : cell.mark === 'second'
                  ? h('u', {}, cell.text)
                  : cell.text,
              cell.isSignificant
                ? h('abbr', { title: 'significant' }, '*')
                : h('span', { class: 'star', 'aria-hidden': 'true' }),
            ),
      ),
    ),
  );
  const legend = `${comparison.measures.join(', ')}. Best bold, second underlined. * ${table.caption}`;
  return section(
    'results',
    'Results',
    scrolled(
      h('table', {}, h('caption', { class: 'hidden' }, 'Results'), h('thead', {}, head), h('tbody', {}, rows)),
      'Results',
    ),
    h('p', { class: 'legend' }, legend), // a caption would be as wide as the table, which may scroll
    ...differences(),
  );
}

/** Differences to the baseline, for the chosen column of the table. */
function differences(): (HTMLElement | undefined)[] {
  if (!comparison) return [];
  const columns = comparison.columns.filter(({ values }) => values.some(({ difference }) => difference));
  const [first] = columns;
  if (!first) return [];
  const several = datasets.length > 1;
  const chart = h('div');
  type Value = (typeof first.values)[number];
  const list = sortableTable<Value>(`Differences to ${comparison.baseline}`, [
    { head: 'System', value: ({ system }) => system },
    ...(
      [
        ['Difference', (value) => value.difference!.mean, (value) => signed(value.difference!.mean)],
        [
          '95 % interval',
          (value) => value.difference!.interval[0],
          (value) => value.difference!.interval.map((bound) => signed(bound, 3)).join(' to '),
        ],
        [
          'Won/tied/lost',
          (value) => value.difference!.wins,
          ({ difference: d }) => `${d!.wins}/${d!.ties}/${d!.losses}`,
        ],
        ['Effect', (value) => value.difference!.effect, (value) => value.difference!.effect?.toFixed(2) ?? '–'],
        ['p', (value) => value.difference!.p, (value) => pValue(value.difference!.p)],
        ['p corr.', (value) => value.difference!.pCorrected, (value) => pValue(value.difference!.pCorrected)],
        ['p random.', (value) => value.difference!.pRandomization, (value) => pValue(value.difference!.pRandomization)],
      ] as [string, (value: Value) => number | undefined, ((value: Value) => string)?][]
    ).map(([head, value, show]) => ({ head, value, isNumber: true, ...(show ? { show } : {}) })),
  ]);
  const draw = (index: number): void => {
    const { values, measure } = columns[index]!;
    const tested = values.filter(({ difference }) => difference);
    list.show(tested);
    const intervals = tested.map(({ system, difference }) => ({ system, ...difference! }));
    chart.replaceChildren(
      figure(
        'Difference to the baseline and its bootstrap interval; filled: significant',
        intervalsChart(intervals, measure, comparison.baseline),
      ),
    );
  };
  const options = columns.map(
    ({ name, measure }, i) => [String(i), several ? `${measure}, ${name}` : measure] as const,
  );
  const controls =
    columns.length > 1
      ? h(
          'div',
          { class: 'controls' },
          choice('Measure', options, (value) => draw(Number(value))),
        )
      : undefined;
  draw(0);
  return [h('h3', {}, `Compared with ${comparison.baseline}`), controls, chart, list.element];
}
