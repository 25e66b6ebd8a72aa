import { data } from './data.js';
import { h } from './dom.js';
import { provenance, throughput, training } from './origin.js';
import { dialog, perQuery } from './queries.js';
import { results } from './results.js';

function page(): void {
  const parts = [results(), perQuery(), training(), throughput(), provenance()].filter((part) => part !== undefined);
  const sections = parts.flatMap((part) => (part.id ? [part] : [...part.querySelectorAll('section')]));
  const { comparison, datasets, written } = data;
  const { at, by } = written;
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
