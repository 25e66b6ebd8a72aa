import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serve, type RerankServer } from '../../src/serve/serve.js';
import { expectedPairs, modelFolder } from '../support/models.js';

const test = suite('protocols of the server');

/** Pairs that lightning-ir scored; each has a query of its own, so the documents of one query get their scores by /score. */
const golden = await expectedPairs();
const { query } = golden[0]!;
const documents = golden.map(({ document }) => document);
const CLOSE = 1e-5;
/** The relevance of each document for the query, and the order that follows. */
let relevance: number[];
let ranking: number[];

let server: RerankServer;
test.before(async () => {
  server = await serve({ models: { tiny: modelFolder() }, port: 0 });
  const { body } = await post('/score', { text_1: query, text_2: documents });
  relevance = body.data.map(({ score }) => score);
  ranking = relevance.map((_, index) => index).sort((a, b) => relevance[b]! - relevance[a]!);
});
test.after(() => server.close());

/** A document in an answer of any protocol. */
interface Result {
  index: number;
  relevance_score: number;
  score: number;
  document: unknown;
  truncated?: boolean;
}

/** The fields of all answers; each has some. */
interface Body {
  id: string;
  model: string;
  message: string;
  error_type: string;
  results: Result[];
  data: Result[];
  usage: { total_tokens: number };
  meta: { warnings: string[] };
}

interface Answer {
  status: number;
  headers: Headers;
  body: Body;
}

/** The list that text-embeddings-inference answers with. */
const list = ({ body }: Answer): Result[] => body as unknown as Result[];

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Body };
}

function assertRanked(results: readonly Result[], name: 'relevance_score' | 'score', expected = ranking): void {
  assert.equal(
    results.map(({ index }) => index),
    expected,
  );
  for (const result of results) {
    const difference = Math.abs(result[name] - relevance[result.index]!);
    assert.ok(difference < CLOSE, `document ${result.index}: ${difference}`);
  }
}

test('gives the scores of lightning-ir, by every path', async () => {
  const { body } = await post('/score', {
    pairs: golden.map((pair) => ({ query: pair.query, document: pair.document })),
  });
  for (const [i, { query: text, document, score, input_ids: ids }] of golden.entries()) {
    const expected = 1 / (1 + Math.exp(-score));
    const one = { query: text, documents: [document] };
    const answers = await Promise.all([
      post('/v1/rerank', one),
      post('/v2/rerank', one),
      post('/voyage/v1/rerank', one),
    ]);
    const found = answers.map(({ body: own }) => (own.results ?? own.data)[0]!.relevance_score);
    found.push(body.data[i]!.score);
    const tei = await post('/rerank', { query: text, texts: [document], truncate: true });
    found.push(list(tei)[0]!.score);
    for (const value of found) assert.ok(Math.abs(value - expected) < CLOSE, `${value} instead of ${expected}`);
    assert.is(answers[0].body.usage.total_tokens, ids.length);
  }
});

test("Cohere's second version", async () => {
  const { status, body } = await post('/v2/rerank', { model: 'tiny', query, documents });
  assert.is(status, 200);
  assertRanked(body.results, 'relevance_score');
  assert.equal(Object.keys(body).sort(), ['id', 'meta', 'results']);
  const top = await post('/v2/rerank', { query, documents, top_n: 2 });
  assertRanked(top.body.results, 'relevance_score', ranking.slice(0, 2));
});

test("Cohere's first version, Jina's and vLLM's", async () => {
  const objects = documents.map((text, i) => (i % 2 ? text : { title: 'left out', text }));
  const { body } = await post('/v1/rerank', { query, documents: objects, return_documents: true });
  assertRanked(body.results, 'relevance_score');
  assert.is(body.model, 'tiny');
  for (const { index, document } of body.results) assert.is((document as { text: string }).text, documents[index]);
  const plain = await post('/v1/rerank', { query: { text: query }, documents, return_documents: false, top_n: 1 });
  assert.equal(Object.keys(plain.body.results[0]!).includes('document'), false);
});

test('fields of documents, in the order of rank_fields', async () => {
  const split = documents.map((text) => ({ second: text.slice(5), first: text.slice(0, 5) }));
  const joined = documents.map((text) => `${text.slice(0, 5)} ${text.slice(5)}`);
  const found = await post('/v1/rerank', { query, documents: split, rank_fields: ['first', 'second'] });
  const expected = await post('/v1/rerank', { query, documents: joined });
  const scores = (answer: Answer) => answer.body.results.map((one) => [one.index, one.relevance_score]);
  assert.equal(scores(found), scores(expected));
  const none = await post('/v1/rerank', { query, documents: [{ title: 'x' }], rank_fields: ['body'] });
  assert.is(none.status, 422);
  assert.match(none.body.message, 'documents[0] has none of the fields body');
});

test("Voyage's", async () => {
  const { body } = await post('/voyage/v1/rerank', { query, documents, top_k: 2, return_documents: true });
  assertRanked(body.data, 'relevance_score', ranking.slice(0, 2));
  assert.is(body.data[0]!.document, documents[ranking[0]!]);
});

test("text-embeddings-inference's", async () => {
  const response = await post('/rerank', { query, texts: documents, truncate: true, return_text: true });
  assertRanked(list(response), 'score');
  const raw = await post('/rerank', { query, texts: documents, truncate: true, raw_scores: true });
  for (const { index, score } of list(raw)) {
    assert.ok(Math.abs(1 / (1 + Math.exp(-score)) - relevance[index]!) < CLOSE);
  }
  const texts = ['word '.repeat(1000)];
  assert.is((await post('/rerank', { query, texts })).status, 200);
  const long = await post('/rerank', { query, texts, truncate: false });
  assert.is(long.status, 413);
  assert.is(long.body.error_type, 'Validation');
  const empty = await post('/rerank', { query, texts: [] });
  assert.is(empty.status, 400);
  assert.is(empty.body.error_type, 'Empty');
  const info = (await (await fetch(`${server.url}/info`)).json()) as Record<string, unknown>;
  assert.is(info['model_id'], 'tiny');
  assert.is((await fetch(`${server.url}/health`)).status, 200);
});

/** A schema of an object with these members, all required. */
const object = (properties: Record<string, object>): object => ({
  type: 'object',
  required: Object.keys(properties),
  properties,
});
const [text, count, number, flag] = ['string', 'integer', 'number', 'boolean'].map((type) => ({ type })) as [
  object,
  object,
  object,
  object,
];
const arrayOf = (items: object): object => ({ type: 'array', items, minItems: 1 });

/** What text-embeddings-inference 1.8 (docs/openapi.json) and vLLM (entrypoints, protocol.py) promise of their answers. */
const PROMISED: Readonly<Record<string, object>> = {
  rank: arrayOf(object({ index: count, score: number, text })),
  info: object({
    model_id: text,
    model_dtype: text,
    model_type: object({ reranker: object({ id2label: object({}), label2id: object({}) }) }),
    max_concurrent_requests: count,
    max_input_length: count,
    max_batch_tokens: count,
    max_client_batch_size: count,
    auto_truncate: flag,
    tokenization_workers: count,
    version: text,
  }),
  error: object({
    error: text,
    error_type: { enum: ['Unhealthy', 'Backend', 'Overloaded', 'Validation', 'Tokenizer', 'Empty'] },
  }),
  'vLLM rerank': object({
    id: text,
    model: text,
    usage: object({ prompt_tokens: count, total_tokens: count }),
    results: arrayOf(object({ index: count, document: object({ text }), relevance_score: number })),
  }),
  'vLLM score': object({
    id: text,
    object: { const: 'list' },
    created: count,
    model: text,
    data: arrayOf(object({ index: count, object: { const: 'score' }, score: number })),
    usage: object({ prompt_tokens: count, total_tokens: count }),
  }),
};

test('answers have what the schemas of text-embeddings-inference and vLLM promise', async () => {
  const info = (await (await fetch(`${server.url}/info`)).json()) as object;
  const found: Record<string, unknown> = {
    rank: (await post('/rerank', { query, texts: documents, truncate: true, return_text: true })).body,
    info,
    error: (await post('/rerank', { query, texts: 'no list' })).body,
    'vLLM rerank': (await post('/v1/rerank', { query, documents, top_n: 0 })).body,
    'vLLM score': (await post('/v1/score', { queries: query, documents })).body,
  };
  const ajv = new Ajv();
  for (const [name, schema] of Object.entries(PROMISED)) {
    assert.ok(ajv.validate(schema, found[name]), `${name}: ${ajv.errorsText()}`);
  }
});

test('scores of pairs, also in the words of vLLM', async () => {
  const raw = await post('/score', { pairs: golden, raw_scores: true });
  raw.body.data.forEach(({ index, score }, i) => {
    assert.is(index, i);
    assert.ok(Math.abs(score - golden[i]!.score) < 1e-4);
  });
  assert.is((await post('/score', { text_1: ['a', 'b'], text_2: ['c'] })).status, 422);
  for (const [first, second] of [
    ['text_1', 'text_2'],
    ['data_1', 'data_2'],
    ['queries', 'documents'],
    ['queries', 'items'],
  ] as const) {
    const sides = { [first]: golden.map((pair) => pair.query), [second]: documents, raw_scores: true };
    const { body } = await post('/v1/score', sides);
    assert.equal(body.data, raw.body.data);
  }
});

test('says what was not read, and reads it in passages where asked', async () => {
  const long = `${'filler '.repeat(300)}${documents[ranking[0]!]}`;
  const cut = await post('/v1/rerank', { query, documents: [long, 'short'] });
  const first = cut.body.results.find(({ index }) => index === 0)!;
  assert.is(first.truncated, true);
  assert.match(cut.body.meta.warnings[0]!, 'the end of');
  const whole = await post('/v1/rerank', { query, documents: [long, 'short'], max_chunks_per_doc: 500 });
  const read = whole.body.results.find(({ index }) => index === 0)!;
  assert.ok(read.relevance_score >= first.relevance_score);
});

test('refuses what it cannot answer, with the reason', async () => {
  const refused = async (path: string, body: unknown, status: number, message: RegExp, headers = {}) => {
    const answer = await post(path, body, headers);
    assert.is(answer.status, status, JSON.stringify(answer.body));
    assert.match(answer.body.message, message);
    assert.is(answer.headers.get('x-request-id'), answer.body.id);
  };
  await refused('/v2/rerank', { query, documents: [] }, 422, /^documents: /);
  await refused('/v2/rerank', { query: 1, documents }, 422, /^query: /);
  await refused('/v1/rerank', { query, documents: [1] }, 422, /^documents\.0: /);
  await refused('/v2/rerank', { query, documents, model: 'tin' }, 404, /nearest known model is "tiny"/);
  await refused('/v2/rerank', '{"query": ', 400, /JSON/);
  await refused('/v2/rerank', '[]', 422, /^body: /);
  await refused('/v2/rerank', JSON.stringify({ query, documents }), 415, /content-type/, {
    'content-type': 'text/plain',
  });
  await refused('/nowhere', {}, 404, /openapi\.json/);
  await refused('/v1/models', {}, 405, /takes GET, not POST/);
  await refused('/v2/rerank', { query, documents: Array.from({ length: 1001 }, () => 'x') }, 413, /1001 documents/);
});

test('request ids are returned, odd ones are replaced', async () => {
  const { headers } = await post('/v2/rerank', { query, documents }, { 'x-request-id': 'trace-7' });
  assert.is(headers.get('x-request-id'), 'trace-7');
  const odd = await post('/v2/rerank', { query, documents }, { 'x-request-id': 'a b' });
  assert.match(odd.headers.get('x-request-id')!, /^[\da-f-]{36}$/);
});

test('the OpenAPI document is valid and has every route', async () => {
  const response = await fetch(`${server.url}/openapi.json`);
  const document = (await response.json()) as { openapi: string; paths: Record<string, unknown> };
  const { valid, errors } = await new Validator().validate(document);
  assert.ok(valid, JSON.stringify(errors));
  assert.match(document.openapi, /^3\.1\./);
  for (const path of [
    '/v1/rerank',
    '/v2/rerank',
    '/voyage/v1/rerank',
    '/rerank',
    '/score',
    '/v1/score',
    '/info',
    '/v1/models',
  ]) {
    assert.ok(path in document.paths, path);
  }
});

test('metrics count requests and tokens', async () => {
  const before = await metric('rank_distillm_tokens_total{model="tiny"}');
  const { body } = await post('/v1/rerank', { query, documents });
  const after = await metric('rank_distillm_tokens_total{model="tiny"}');
  assert.is(after - before, body.usage.total_tokens);
  assert.ok((await metric('rank_distillm_request_seconds_count{route="/v1/rerank"}')) >= 1);
});

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1) ?? 0);
}

test.run();
