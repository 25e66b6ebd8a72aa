import { BUCKETS, TRAINING_KINDS } from '../report-data.js';
import type { ReportData, ReportDataset, ReportRankings, ReportSource, SystemFigures } from '../report-data.js';
import { depthChart, gainsChart, intervalsChart, scoresChart, trainingChart, type Gain } from './charts.js';
import { choice, figure, h, scrolled, sortableTable } from './dom.js';
import { QueryDialog, unpack } from './query.js';

/** Rows of the list of queries that are drawn. */
const MOST_ROWS = 500;

const data = JSON.parse(document.getElementById('report-data')!.textContent) as ReportData;
const { comparison, datasets, table } = data;
const packed = document.getElementById('report-rankings')!.textContent;
let unpacked: Promise<ReportRankings[]> | undefined;
const dialog = new QueryDialog(() => (unpacked ??= unpack(packed)), datasets, data.shownDepth);

const signed = (value: number, digits = 4): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`;
const pValue = (p: number | undefined): string =>
  p === undefined ? '–' : p < 0.001 ? '< .001' : p.toFixed(3).slice(1);

function section(id: string, title: string, ...children: (Node | undefined)[]): HTMLElement {
  return h('section', { id, 'aria-labelledby': `${id}-title` }, h('h2', { id: `${id}-title` }, title), ...children);
}

function results(): HTMLElement | undefined {
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
    scrolled(h('table', {}, h('caption', {}, legend), h('thead', {}, head), h('tbody', {}, rows)), 'Results'),
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

/** The parts that follow the choice of dataset, system and measure. */
function perQuery(): HTMLElement | undefined {
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

function rankingFigures({ figures }: ReportDataset, baseline: string, system: string): HTMLElement[] {
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

function training(): HTMLElement | undefined {
  if (data.training.length === 0) return undefined;
  const charts = data.training.flatMap(({ name, series }) => [
    h('h3', {}, name),
    ...TRAINING_KINDS.flatMap((kind) => {
      const own = series.filter((each) => each.kind === kind);
      return own.length === 0 ? [] : [figure(`${kind[0]!.toUpperCase()}${kind.slice(1)}`, trainingChart(own, kind))];
    }),
  ]);
  return section('training', 'Training', ...charts);
}

function throughput(): HTMLElement | undefined {
  if (data.throughput.length === 0) return undefined;
  type Row = ReportData['throughput'][number];
  const list = sortableTable<Row>('Pairs of query and document per second', [
    { head: 'Run', value: ({ what }) => what },
    { head: 'Model', value: ({ model }) => model },
    { head: 'Device', value: ({ device }) => device },
    { head: 'Precision', value: ({ precision }) => precision },
    { head: 'Pairs', value: ({ pairs }) => pairs, show: ({ pairs }) => pairs.toLocaleString('en'), isNumber: true },
    { head: 'Seconds', value: ({ seconds }) => seconds, show: ({ seconds }) => seconds.toFixed(1), isNumber: true },
    {
      head: 'Pairs/s',
      value: ({ pairs, seconds }) => pairs / seconds,
      show: ({ pairs, seconds }) => (pairs / seconds).toFixed(1),
      isNumber: true,
    },
  ]);
  list.show(data.throughput);
  return section('throughput', 'Throughput', list.element);
}

type Facts = Record<string, Record<string, unknown>>;

function provenance(): HTMLElement {
  const { written, sources, configuration } = data;
  const facts = (entries: [string, unknown][]): HTMLElement =>
    h(
      'dl',
      {},
      entries.flatMap(([name, value]) => (value == null ? [] : [h('dt', {}, name), h('dd', {}, String(value))])),
    );
  const record = (given: object): HTMLElement => {
    const { model, computed, written: by } = given as Facts;
    return h(
      'div',
      {},
      facts([
        ['model', model?.['name']],
        ['revision', model?.['revision']],
        ['weights', model?.['weights']],
        ['precision', computed?.['precision']],
        ['device', computed?.['device']],
        ['written', by?.['at']],
        ['by', by?.['by']],
        ['command', by?.['command']],
      ]),
      h(
        'details',
        {},
        h('summary', {}, 'Whole record'),
        scrolled(h('pre', {}, JSON.stringify(given, null, 2)), 'Record'),
      ),
    );
  };
  const list = sortableTable<ReportSource>('Files that this report was made of', [
    { head: 'File', value: ({ path }) => path, show: ({ path }) => h('code', {}, path) },
    { head: 'What', value: ({ what, system }) => (system === undefined ? what : `${what} of ${system}`) },
    ...(datasets.length > 1 ? [{ head: 'Dataset', value: ({ dataset }: ReportSource) => dataset ?? '' }] : []),
    {
      head: 'Modified',
      value: ({ modified }) => modified,
      show: ({ modified }) => modified.slice(0, 19).replace('T', ' '),
    },
    {
      head: 'Fingerprint',
      value: ({ fingerprint }) => fingerprint,
      show: ({ fingerprint }) => h('code', { title: fingerprint }, `${fingerprint.replace(/^(.*:.{12}).*/, '$1')}…`),
    },
  ]);
  list.show(sources);
  const made = sources.filter((source) => source.record);
  return section(
    'origin',
    'What made it',
    facts([
      ['command', written.command],
      ['written', written.at],
      ['by', written.by],
    ]),
    sources.length > 0 ? list.element : undefined,
    ...made.map(({ path, record: given }) =>
      h('article', {}, h('h3', {}, h('code', {}, path.split('/').at(-1))), record(given!)),
    ),
    configuration === undefined
      ? undefined
      : h('details', {}, h('summary', {}, 'Configuration'), scrolled(h('pre', {}, configuration), 'Configuration')),
  );
}

function page(): void {
  const parts = [results(), perQuery(), training(), throughput(), provenance()].filter((part) => part !== undefined);
  const sections = parts.flatMap((part) => (part.id ? [part] : [...part.querySelectorAll('section')]));
  const { at, by } = data.written;
  const topics = datasets.reduce((sum, dataset) => sum + dataset.topics.length, 0);
  const facts = [
    comparison && `${comparison.systems.length} ${comparison.systems.length === 1 ? 'system' : 'systems'}`,
    topics > 0 && `${topics} judged queries`,
    `written ${at.slice(0, 10)} by ${by}`,
  ];
  document.body.append(
    h(
      'header',
      { class: 'top' },
      h('h1', {}, data.title),
      h('p', { class: 'quiet' }, facts.filter(Boolean).join(' · ')),
      h(
        'nav',
        { 'aria-label': 'Sections' },
        sections.map((part) => h('a', { href: `#${part.id}` }, part.querySelector('h2')!.textContent)),
      ),
    ),
    h('main', {}, ...parts),
    dialog.element,
  );
}

page();
