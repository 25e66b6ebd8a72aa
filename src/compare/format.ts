import { formatTable, markBest, TERMINAL_MARKS, type Cell } from '../report/table.js';
import type { ComparedColumn, ComparedValue, Comparison } from './compare.js';

export const FORMATS = ['text', 'markdown', 'latex', 'csv', 'json'] as const;
export type ComparisonFormat = (typeof FORMATS)[number];

interface Style {
  number: (value: number) => string;
  best: (text: string) => string;
  second: (text: string) => string;
  star: string;
}

const plain = (text: string): string => text;
const three = (value: number): string => value.toFixed(3);

const STYLES = {
  plain: { number: (value) => value.toFixed(4), best: plain, second: plain, star: '*' },
  terminal: {
    number: (value) => value.toFixed(4),
    best: TERMINAL_MARKS[0],
    second: TERMINAL_MARKS[1],
    star: '*',
  },
  markdown: { number: three, best: (text) => `**${text}**`, second: (text) => `<u>${text}</u>`, star: '\\*' },
  latex: {
    number: (value) => three(value).replace(/^(-?)0\./, '$1.'),
    best: (text) => `\\textbf{${text}}`,
    second: (text) => `\\underline{${text}}`,
    star: '$^{*}$',
  },
} satisfies Record<string, Style>;

type TableColumn = Pick<ComparedColumn, 'values' | 'measure'> & { name: string };

/** The columns of the table: groups stand in for their datasets; the macro average is the last one of a measure. */
export function tableColumns({ columns, macro, measures }: Comparison): TableColumn[] {
  const several = measures.length > 1;
  const head = (name: string, measure: string): string => (several ? `${name} ${measure}` : name);
  return measures.flatMap((measure) => [
    ...columns
      .filter((column) => column.measure === measure)
      .map((column) => ({ ...column, name: head(column.isGroup ? `${column.name} (mean)` : column.name, measure) })),
    ...macro
      .filter((each) => each.measure === measure)
      .map((each) => ({ ...each, name: head('macro average', measure) })),
  ]);
}

/** Cells of one column by system, with the marks of best, second and significant. */
function cellsOf(values: readonly ComparedValue[], style: Style): Map<string, string> {
  const marked = markBest(
    values.map(({ mean }) => style.number(mean)),
    style.best,
    style.second,
  );
  return new Map(
    values.map(({ system, difference }, i) => [system, `${marked[i]}${difference?.isSignificant ? style.star : ''}`]),
  );
}

function rowsOf(comparison: Comparison, columns: readonly TableColumn[], style: Style): (string | undefined)[][] {
  const cells = columns.map(({ values }) => cellsOf(values, style));
  return comparison.systems.map((system) => [system, ...cells.map((column) => column.get(system))]);
}

export function captionOf({ baseline, correction, alpha }: Comparison): string {
  const how =
    correction === 'none' ? 'not corrected' : `${correction[0]!.toUpperCase()}${correction.slice(1)}'s correction`;
  return `Significant against ${baseline}: paired t-test, ${how}, p < ${alpha}`;
}

const p3 = (p: number | undefined): Cell => (p === undefined ? undefined : p < 0.001 ? '<.001' : p.toFixed(3));

function differenceRows({ columns }: Comparison): Cell[][] {
  return columns.flatMap(({ name, measure, values }) =>
    values.flatMap(({ system, difference }): Cell[][] => {
      if (!difference) return [];
      const { mean, interval, wins, ties, losses, effect, p, pCorrected, pRandomization } = difference;
      const signed = (value: number): string => `${value < 0 ? '' : '+'}${value.toFixed(4)}`;
      const range = `${signed(interval[0])} to ${signed(interval[1])}`;
      return [
        [
          name,
          measure,
          system,
          signed(mean),
          range,
          `${wins}/${ties}/${losses}`,
          effect?.toFixed(2),
          p3(p),
          p3(pCorrected),
          p3(pRandomization),
        ],
      ];
    }),
  );
}

const DIFFERENCE_HEADS =
  'dataset,measure,system,difference,interval,wins/ties/losses,effect,p,p corrected,p randomization'
    .split(',')
    .map((head) => ({ head }));

function toText(comparison: Comparison, decorated: boolean): string {
  const columns = tableColumns(comparison);
  const rows = rowsOf(comparison, columns, decorated ? STYLES.terminal : STYLES.plain);
  const heads = [{ head: 'system' }, ...columns.map(({ name }) => ({ head: name }))];
  return [
    formatTable(heads, rows, { decorated }),
    `* ${captionOf(comparison)}`,
    '',
    formatTable(DIFFERENCE_HEADS, differenceRows(comparison), { decorated }),
  ].join('\n');
}

function toMarkdown(comparison: Comparison): string {
  const escape = (text: string): string => text.replace(/[\\|*_<>`[\]]/g, '\\$&');
  const columns = tableColumns(comparison);
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    row(['system', ...columns.map(({ name }) => escape(name))]),
    row(['---', ...columns.map(() => '---:')]),
    ...rowsOf(comparison, columns, STYLES.markdown).map(([system, ...cells]) =>
      row([escape(system!), ...cells.map((cell) => cell ?? '-')]),
    ),
    '',
    `\\* ${escape(captionOf(comparison))}`,
  ].join('\n');
}

function toLatex(comparison: Comparison): string {
  const special: Record<string, string> = {
    '\\': '\\textbackslash{}',
    '~': '\\textasciitilde{}',
    '^': '\\textasciicircum{}',
  };
  const escape = (text: string): string => text.replace(/[\\~^]|[&%$#_{}]/g, (found) => special[found] ?? `\\${found}`);
  const columns = tableColumns(comparison);
  const row = (cells: readonly string[]): string => `${cells.join(' & ')} \\\\`;
  return [
    `% ${captionOf(comparison)}`,
    `\\begin{tabular}{l${'r'.repeat(columns.length)}}`,
    '\\toprule',
    row(['System', ...columns.map(({ name }) => escape(name))]),
    '\\midrule',
    ...rowsOf(comparison, columns, STYLES.latex).map(([system, ...cells]) =>
      row([escape(system!), ...cells.map((cell) => cell ?? '--')]),
    ),
    '\\bottomrule',
    '\\end{tabular}',
  ].join('\n');
}

function toCsv({ columns, baseline }: Comparison): string {
  const quote = (cell: string | number | boolean | undefined): string => {
    const text = String(cell ?? '');
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const heads =
    'dataset,is_group,measure,topics,system,mean,baseline,difference,lower,upper,wins,ties,losses,effect,p,p_corrected,p_randomization,is_significant';
  const rows = columns.flatMap(({ name, isGroup, measure, topics, values }) =>
    values.map(({ system, mean, difference: d }) => [
      ...[name, isGroup, measure, topics, system, mean, baseline, d?.mean, d?.interval[0], d?.interval[1]],
      ...[d?.wins, d?.ties, d?.losses, d?.effect, d?.p, d?.pCorrected, d?.pRandomization, d?.isSignificant],
    ]),
  );
  return [heads, ...rows.map((row) => row.map(quote).join(','))].join('\n');
}

/**
 * A comparison as text, without a trailing newline. The best system of a column is bold, the second one underlined, and
 * a star marks significant differences from the baseline. `csv` and `json` hold every number in full.
 *
 * @param decorated text for a terminal
 */
export function formatComparison(comparison: Comparison, format: ComparisonFormat, decorated = false): string {
  switch (format) {
    case 'text':
      return toText(comparison, decorated);
    case 'markdown':
      return toMarkdown(comparison);
    case 'latex':
      return toLatex(comparison);
    case 'csv':
      return toCsv(comparison);
    case 'json':
      return JSON.stringify(comparison, null, 2);
  }
}
