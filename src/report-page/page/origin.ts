import { TRAINING_KINDS } from '../report-data.js';
import type { ReportData, ReportSource } from '../report-data.js';
import { trainingChart } from './charts.js';
import { data } from './data.js';
import { figure, h, scrolled, section, sortableTable } from './dom.js';

export function training(): HTMLElement | undefined {
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

export function throughput(): HTMLElement | undefined {
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

/** Files, models and commands, so that a figure can be traced. */
export function provenance(): HTMLElement {
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
    ...(data.datasets.length > 1 ? [{ head: 'Dataset', value: ({ dataset }: ReportSource) => dataset ?? '' }] : []),
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
