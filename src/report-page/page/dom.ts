type Child = Node | string | undefined | null | false;
type Attributes = Record<string, string | boolean | ((event: Event) => void) | undefined>;

/** An element. Texts become text nodes, never markup. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Child | Child[])[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat()) if (child) element.append(child);
  return element;
}

export function choice(
  label: string,
  options: readonly (readonly [value: string, text: string])[],
  onChange: (value: string) => void,
): HTMLLabelElement {
  const select = h(
    'select',
    { change: () => onChange(select.value) },
    options.map(([value, text]) => h('option', { value }, text)),
  );
  return h('label', {}, h('span', {}, label), select);
}

export interface Column<Row> {
  head: string;
  /** Value to sort by; undefined sorts last. */
  value: (row: Row) => string | number | undefined;
  /** What is shown; default: the value. */
  show?: (row: Row) => Child;
  isNumber?: boolean;
}

const compare = (a: string | number | undefined, b: string | number | undefined): number => {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
};

export interface SortableTable<Row> {
  element: HTMLElement;
  show: (rows: readonly Row[]) => void;
}

/**
 * A table whose heads sort it, ascending at first for text and descending for numbers.
 *
 * @param limit rows shown; a line says how many there are
 */
export function sortableTable<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  sortedBy = -1,
  limit = Infinity,
): SortableTable<Row> {
  const body = h('tbody');
  const more = h('p', { class: 'quiet', role: 'status' });
  let rows: readonly Row[] = [];
  let [by, direction] = [sortedBy, 1];
  const draw = (): void => {
    const column = columns[by];
    const sorted = column
      ? rows.toSorted((a, b) => {
          const [x, y] = [column.value(a), column.value(b)];
          return x === undefined || y === undefined ? compare(x, y) : direction * compare(x, y);
        })
      : rows;
    body.replaceChildren(
      ...sorted.slice(0, limit).map((row) =>
        h(
          'tr',
          {},
          columns.map(({ value, show, isNumber }, i) => {
            const content = show ? show(row) : String(value(row) ?? '–');
            return i === 0
              ? h('th', { scope: 'row' }, content)
              : h('td', { class: isNumber ? 'number' : undefined }, content);
          }),
        ),
      ),
    );
    more.textContent = rows.length > limit ? `The first ${limit} of ${rows.length}. Filter to see others.` : '';
    heads.forEach((head, i) => {
      if (i === by) head.setAttribute('aria-sort', direction > 0 ? 'ascending' : 'descending');
      else head.removeAttribute('aria-sort');
    });
  };
  const heads = columns.map(({ head, isNumber }, i) =>
    h(
      'th',
      { scope: 'col', class: isNumber ? 'number' : undefined },
      h(
        'button',
        {
          type: 'button',
          click: () => {
            direction = by === i ? -direction : isNumber ? -1 : 1;
            by = i;
            draw();
          },
        },
        head,
      ),
    ),
  );
  const table = h('table', {}, h('caption', {}, caption), h('thead', {}, h('tr', {}, heads)), body);
  const element = h('div', {}, scrolled(table, caption), more);
  return {
    element,
    show: (given) => {
      rows = given;
      draw();
    },
  };
}

/** A wide table scrolls by itself; with the keyboard, too. */
export function scrolled(content: HTMLElement, label: string): HTMLElement {
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label }, content);
}

/** A chart with its caption. Only the caption and `description` reach a screen reader; tables beside it hold the values. */
export function figure(caption: string, chart: Element | undefined, ...more: Child[]): HTMLElement {
  return h('figure', {}, h('figcaption', {}, caption), chart, ...more);
}

/** A part of the page that the navigation names. */
export function section(id: string, title: string, ...children: (Node | undefined)[]): HTMLElement {
  return h('section', { id, 'aria-labelledby': `${id}-title` }, h('h2', { id: `${id}-title` }, title), ...children);
}
