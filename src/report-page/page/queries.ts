import type { ReportRankings } from '../report-data.js';
import { gainsChart, type Gain } from './charts.js';
import { data, signed } from './data.js';
import { choice, figure, h, section, sortableTable } from './dom.js';
import { QueryDialog, unpack } from './query.js';
import { rankingFigures } from './rankings.js';

/** Rows of the list of queries that are drawn. */
const MOST_ROWS = 500;

const { comparison, datasets } = data;
const packed = document.getElementById('report-rankings')!.textContent;
let unpacked: Promise<ReportRankings[]> | undefined;
export const dialog = new QueryDialog(() => (unpacked ??= unpack(packed)), datasets, data.shownDepth);

/** The parts that follow the choice of dataset, system and measure. */
export function perQuery(): HTMLElement | undefined {
  if (!comparison || datasets.length === 0) return undefined;
  const { baseline, measures } = comparison;
  const state = { dataset: datasets[0]!, system: '', measure: 0, filter: '', show: 'all' };
  const systemSelect = h('select', { change: () => ((state.system = systemSelect.value), draw()) });
  const fillSystems = (): void => {
    const { systems } = state.dataset;
    const others = systems.filter((system) => system !== baseline);
    const offered = others.length > 0 && systems.includes(baseline) ? others : systems;
    systemSelect.replaceChildren(...offered.map((system) => h('option', { value: system }, system)));
    if (!offered.includes(state.system)) state.system = bestOf(offered);
    systemSelect.value = state.system;
  };
  /** The system with the highest mean of the first measure: its queries are looked at first. */
  const bestOf = (systems: readonly string[]): string => {
    const means = new Map(
      comparison.columns
        .find(({ name }) => name === state.dataset.name)
        ?.values.map(({ system, mean }) => [system, mean]),
    );
    return systems.toSorted((a, b) => (means.get(b) ?? 0) - (means.get(a) ?? 0))[0]!;
  };
  type Row = { topic: number; id: string; text: string; before: number | undefined; value: number };
  const rowsOf = (): Row[] => {
    const { dataset, system, measure } = state;
    const [from, to] = [dataset.systems.indexOf(baseline), dataset.systems.indexOf(system)];
    return dataset.topics.map(({ id, text = '', values }, topic) => ({
      topic,
      id,
      text,
      before: from >= 0 && from !== to ? (values[from]?.[measure] ?? 0) : undefined,
      value: values[to]?.[measure] ?? 0,
    }));
  };
  const differenceOf = ({ before, value }: Row): number | undefined =>
    before === undefined ? undefined : value - before;
  const open = (topic: number): void => {
    const { dataset, system } = state;
    const right = dataset.systems.indexOf(system);
    const left = dataset.systems.indexOf(baseline);
    void dialog.open({ dataset, topic, sides: [left < 0 ? right : left, right], measures });
  };
  const list = sortableTable<Row>(
    'Queries',
    [
      {
        head: 'Query',
        value: ({ id, text }) => text || id,
        show: ({ topic, id, text }) =>
          h('button', { type: 'button', class: 'link', click: () => open(topic) }, text || id),
      },
      { head: 'Id', value: ({ id }) => id },
      {
        head: 'Baseline',
        value: ({ before }) => before,
        show: ({ before }) => before?.toFixed(4) ?? '–',
        isNumber: true,
      },
      { head: 'System', value: ({ value }) => value, show: ({ value }) => value.toFixed(4), isNumber: true },
      {
        head: 'Difference',
        value: differenceOf,
        show: (row) => {
          const difference = differenceOf(row);
          if (difference === undefined) return '–';
          return h(
            'span',
            { class: difference > 0 ? 'gain' : difference < 0 ? 'loss' : 'quiet' },
            difference === 0 ? '0' : signed(difference),
          );
        },
        isNumber: true,
      },
    ],
    4,
    MOST_ROWS,
  );
  const chart = h('div');
  const rankings = h('div');
  const drawList = (): void => {
    const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = rowsOf().filter((row) => {
      const difference = differenceOf(row) ?? 0;
      if (state.show === 'gains' ? difference <= 0 : state.show === 'losses' && difference >= 0) return false;
      const text = `${row.id} ${row.text}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    list.show(kept);
    count.textContent = `${kept.length} of ${state.dataset.topics.length} queries`;
  };
  const draw = (): void => {
    const { dataset, system } = state;
    const gains = rowsOf().flatMap((row): Gain[] => {
      const difference = differenceOf(row);
      return difference === undefined ? [] : [{ topic: row.topic, label: row.text || row.id, difference }];
    });
    chart.replaceChildren();
    if (gains.length > 0) {
      const caption = `${system} less ${baseline}, query by query; choose a bar to open the query`;
      chart.append(figure(caption, gainsChart(gains, measures[state.measure]!, open)));
    }
    drawList();
    rankings.replaceChildren(...rankingFigures(dataset, baseline, system));
  };
  const count = h('p', { class: 'quiet', role: 'status' });
  const filter = h('input', {
    type: 'search',
    placeholder: 'words or id',
    input: () => ((state.filter = filter.value), drawList()),
  });
  const named = (values: readonly string[]) => values.map((value, i) => [String(i), value] as const);
  const shown = [
    ['all', 'all'],
    ['gains', 'gains'],
    ['losses', 'losses'],
  ] as const;
  fillSystems();
  draw();
  const parts = [
    h(
      'div',
      { class: 'controls bar', role: 'group', 'aria-label': 'What the queries and rankings below show' },
      datasets.length > 1 &&
        choice('Dataset', named(datasets.map(({ name }) => name)), (value) => {
          state.dataset = datasets[Number(value)]!;
          fillSystems();
          draw();
        }),
      h('label', {}, h('span', {}, 'System'), systemSelect),
      measures.length > 1 && choice('Measure', named(measures), (value) => ((state.measure = Number(value)), draw())),
    ),
    section(
      'queries',
      'Queries',
      chart,
      h(
        'div',
        { class: 'controls' },
        h('label', {}, h('span', {}, 'Filter'), filter),
        choice('Show', shown, (value) => ((state.show = value), drawList())),
        count,
      ),
      h('div', { class: 'list' }, list.element),
    ),
    section('rankings', 'Rankings', rankings),
  ];
  return h('div', {}, parts); // the bar stays in view as far as these go
}
