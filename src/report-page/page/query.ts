import type { ReportDataset, ReportRankings } from '../report-data.js';
import { choice, h, scrolled } from './dom.js';

/** Reads what is kept compressed in the page. */
export async function unpack(text: string): Promise<ReportRankings[]> {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return (await new Response(plain).json()) as ReportRankings[];
}

interface Shown {
  dataset: ReportDataset;
  topic: number;
  /** Numbers of the systems on the left and on the right. */
  sides: [number, number];
  measures: readonly string[];
}

/** Places up or down, with a word for screen readers. */
function move(from: number | undefined, to: number): HTMLElement {
  if (from === undefined) return h('span', { class: 'gain' }, 'new');
  const places = from - to;
  if (places === 0)
    return h(
      'span',
      { class: 'quiet' },
      h('span', { 'aria-hidden': 'true' }, '='),
      h('span', { class: 'hidden' }, 'same rank'),
    );
  const word = places > 0 ? 'up' : 'down';
  return h(
    'span',
    { class: places > 0 ? 'gain' : 'loss' },
    h('span', { 'aria-hidden': 'true' }, places > 0 ? '▲ ' : '▼ '),
    h('span', { class: 'hidden' }, `${word} `),
    String(Math.abs(places)),
  );
}

/** The rank on the right of a document on the left. */
const goesTo = (rank: number | undefined): HTMLElement | string =>
  rank === undefined ? h('span', { class: 'loss' }, 'gone') : `→ ${rank}`;

/** Shows the two rankings of a query in a dialog. */
export class QueryDialog {
  readonly element = h('dialog', { 'aria-labelledby': 'query-title' });
  readonly #rankings: () => Promise<ReportRankings[]>;

  constructor(
    rankings: () => Promise<ReportRankings[]>,
    private readonly datasets: readonly ReportDataset[],
    private readonly shownDepth: number | undefined,
  ) {
    this.#rankings = rankings;
    this.element.addEventListener('click', (event) => {
      if (event.target === this.element) this.element.close(); // the backdrop
    });
  }

  async open(shown: Shown): Promise<void> {
    const { dataset, topic, sides } = shown;
    const { id, text } = dataset.topics[topic]!;
    const rankings = (await this.#rankings())[this.datasets.indexOf(dataset)]!;
    const columns = h('div', { class: 'sides' });
    const draw = (): void =>
      columns.replaceChildren(
        ...(sides[0] === sides[1] ? [0] : [0, 1]).map((side) => this.#ranking(shown, rankings, side)),
      );
    const select = (side: 0 | 1, label: string): HTMLElement => {
      const options = dataset.systems.map((system, i) => [String(i), system] as const);
      const element = choice(label, options, (value) => {
        sides[side] = Number(value);
        draw();
      });
      element.querySelector('select')!.value = String(sides[side]);
      return element;
    };
    const step = (by: number, label: string): HTMLElement =>
      h(
        'button',
        {
          type: 'button',
          disabled: !dataset.topics[topic + by],
          click: () => void this.open({ ...shown, topic: topic + by }),
        },
        label,
      );
    draw();
    this.element.replaceChildren(
      h(
        'header',
        {},
        h('h2', { id: 'query-title' }, text ?? `Query ${id}`),
        h('button', { type: 'button', class: 'close', click: () => this.element.close() }, 'Close'),
      ),
      h(
        'div',
        { class: 'controls' },
        select(0, 'Left'),
        select(1, 'Right'),
        step(-1, 'Previous query'),
        step(1, 'Next query'),
      ),
      ...(this.shownDepth === undefined
        ? []
        : [h('p', { class: 'quiet' }, `Rankings are shown to rank ${this.shownDepth}.`)]),
      columns,
    );
    if (!this.element.open) this.element.showModal();
    this.element.scrollTop = 0;
  }

  #ranking({ dataset, topic, sides, measures }: Shown, rankings: ReportRankings, side: number): HTMLElement {
    const system = sides[side]!;
    const name = dataset.systems[system]!;
    const values = dataset.topics[topic]!.values[system];
    const heading = h('h3', {}, name);
    const shown = values
      ? measures.map((measure, i) => `${measure} ${values[i]!.toFixed(4)}`).join(' · ')
      : 'not ranked, counts 0';
    const ranked = rankings.ranked[topic]![system];
    const head = h('div', {}, heading, h('p', { class: 'quiet' }, shown));
    if (!ranked) return h('section', {}, head);
    const other = rankings.ranked[topic]![sides[1 - side]!] ?? [];
    const ranks = new Map(other.map((document, i) => [document, i + 1]));
    const flat = rankings.grades[topic]!;
    const grades = new Map(flat.flatMap((document, i) => (i % 2 === 0 ? [[document, flat[i + 1]!] as const] : [])));
    const scores = rankings.scores[topic]![system]!;
    const rows = ranked.map((document, i) => {
      const grade = grades.get(document);
      const text = rankings.texts[document];
      return h(
        'tr',
        { class: (grade ?? 0) > 0 ? 'relevant' : undefined },
        h('td', { class: 'number' }, String(i + 1)),
        sides[0] !== sides[1] &&
          h('td', {}, side === 0 ? goesTo(ranks.get(document)) : move(ranks.get(document), i + 1)),
        h('td', { class: 'number' }, grade === undefined ? h('span', { class: 'quiet' }, '–') : String(grade)),
        h('td', { class: 'number' }, String(scores[i])),
        h('td', { class: 'text' }, h('code', {}, rankings.ids[document]), text ? h('p', {}, text) : undefined),
      );
    });
    const heads = [
      'Rank',
      ...(sides[0] !== sides[1] ? [side === 0 ? 'Right' : 'Move'] : []),
      'Grade',
      'Score',
      'Document',
    ];
    const table = h(
      'table',
      {},
      h(
        'caption',
        { class: 'hidden' },
        `Ranking of ${name}. Right: rank on the right. Move: places up or down from the left.`,
      ),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          heads.map((each) => h('th', { scope: 'col' }, each)),
        ),
      ),
      h('tbody', {}, rows),
    );
    return h('section', {}, head, scrolled(table, `Ranking of ${name}`));
  }
}
