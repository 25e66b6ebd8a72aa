// The page of `rank-distillm serve`: a query and documents in, a ranking and the request as code out.
import { snippets } from './snippets.js';

interface Ranked {
  index: number;
  relevance_score: number;
  truncated?: true;
}

interface Answer {
  model: string;
  results: Ranked[];
  usage: { total_tokens: number };
}

const EXAMPLE = {
  query: 'how do cross-encoders rank documents',
  documents: [
    'A cross-encoder reads the query and a document together and returns one score, by which documents are ordered.',
    'The harbour was built in 1904 and is now a museum.',
    'Bi-encoders embed queries and documents apart, so that documents can be indexed before a query is known.',
    'Ranking by relevance puts the documents first that answer the query best.',
  ],
};

type Child = Node | string;

/** An element with attributes and children; text stays text. */
function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function field(label: string, id: string, control: HTMLElement, note = ''): HTMLElement {
  control.id = id;
  const text = element('label', { for: id }, label);
  const parts: Child[] = [text, control];
  if (note !== '') {
    control.setAttribute('aria-describedby', `${id}-note`);
    parts.push(element('small', { id: `${id}-note` }, note));
  }
  return element('div', { class: 'field' }, ...parts);
}

const query = element('input', { type: 'text', required: '', autocomplete: 'off' });
const documents = element('textarea', { rows: '11', required: '', spellcheck: 'false' });
const model = element('select');
const key = element('input', { type: 'password', autocomplete: 'off' });
const go = element('button', { type: 'submit' }, 'Rank');
const status = element('p', { role: 'status', class: 'status' });
const ranking = element('ol', { class: 'ranking' });
const code = element('section', { class: 'code', hidden: '' });

query.value = EXAMPLE.query;
documents.value = EXAMPLE.documents.join('\n\n');

/** Documents stand between blank lines; without any, each line is one. */
function givenDocuments(): string[] {
  const text = documents.value.replaceAll('\r\n', '\n');
  const parts = /\n[ \t]*\n/.test(text.trim()) ? text.split(/\n[ \t]*\n/) : text.split('\n');
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

function headers(): Record<string, string> {
  return { 'content-type': 'application/json', ...(key.value === '' ? {} : { authorization: `Bearer ${key.value}` }) };
}

async function messageOf(response: Response): Promise<string> {
  try {
    return ((await response.json()) as { message: string }).message;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}

async function listModels(): Promise<void> {
  const response = await fetch('v1/models', { headers: headers() });
  if (!response.ok) {
    status.textContent = await messageOf(response);
    return;
  }
  const { data } = (await response.json()) as { data: { id: string }[] };
  const chosen = model.value;
  model.replaceChildren(...data.map(({ id }) => element('option', { value: id }, id)));
  if (data.some(({ id }) => id === chosen)) model.value = chosen;
  if (status.dataset['of'] === 'key') status.textContent = '';
}

function row({ index, relevance_score: score, truncated }: Ranked, texts: readonly string[]): HTMLElement {
  const bar = element('meter', { min: '0', max: '1', value: String(score), 'aria-label': 'relevance' });
  const facts = element('p', { class: 'facts' }, element('strong', {}, score.toFixed(4)), ` document ${index + 1}`);
  if (truncated) facts.append(element('span', { class: 'cut' }, 'its end was not read'));
  return element('li', {}, facts, bar, element('p', { class: 'text' }, texts[index] ?? ''));
}

function showCode(body: object): void {
  const texts = snippets(location.href, body, key.value !== '');
  const blocks = Object.entries(texts).map(([name, text]) => {
    const copy = element('button', { type: 'button', class: 'quiet' }, 'Copy');
    copy.addEventListener('click', () => {
      void navigator.clipboard.writeText(text).then(
        () => (copy.textContent = 'Copied'),
        () => (copy.textContent = 'Select the text and copy it'),
      );
    });
    const summary = element('summary', {}, name);
    return element(
      'details',
      { name: 'code' },
      summary,
      element('pre', { tabindex: '0', 'aria-label': name }, text),
      copy,
    );
  });
  code.replaceChildren(element('h2', {}, 'The same request'), ...blocks);
  code.hidden = false;
}

async function rank(): Promise<void> {
  const texts = givenDocuments();
  if (texts.length === 0) {
    status.textContent = 'Give at least one document.';
    return;
  }
  const body = { model: model.value, query: query.value, documents: texts, return_documents: false };
  go.disabled = true;
  status.textContent = 'Ranking …';
  const start = performance.now();
  try {
    const response = await fetch('v1/rerank', { method: 'POST', headers: headers(), body: JSON.stringify(body) });
    if (!response.ok) {
      status.textContent = await messageOf(response);
      return;
    }
    const answer = (await response.json()) as Answer;
    const milliseconds = Math.round(performance.now() - start);
    const cut = answer.results.filter(({ truncated }) => truncated).length;
    const facts = [
      `${texts.length} ${texts.length === 1 ? 'document' : 'documents'}`,
      `${answer.usage.total_tokens} tokens`,
      `${milliseconds} ms`,
      ...(cut > 0 ? [`${cut} not read to the end`] : []),
    ];
    status.textContent = facts.join(', ');
    ranking.replaceChildren(...answer.results.map((one) => row(one, texts)));
    showCode(body);
  } catch {
    status.textContent = 'The server does not answer.';
  } finally {
    go.disabled = false;
  }
}

const form = element(
  'form',
  {},
  field('Query', 'query', query),
  field('Documents', 'documents', documents, 'A blank line between two documents; without any, each line is one.'),
  element(
    'div',
    { class: 'pair' },
    field('Model', 'model', model),
    field('Key', 'key', key, 'If the server asks for one.'),
  ),
  go,
);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  void rank();
});
key.addEventListener('change', () => void listModels());

document.body.append(
  element(
    'main',
    {},
    element('h1', {}, 'rank-distillm'),
    element(
      'p',
      { class: 'lead' },
      'Scores how well each document answers the query, and orders them. ',
      element('a', { href: 'openapi.json' }, 'OpenAPI'),
    ),
    element('div', { class: 'columns' }, form, element('section', { 'aria-label': 'Ranking' }, status, ranking)),
    code,
  ),
);
void listModels();
