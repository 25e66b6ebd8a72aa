import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogEntry, ServeOptions } from '../../src/serve/options.js';
import { serve, type RerankServer } from '../../src/serve/serve.js';
import { changedModel, modelFolder } from '../support/models.js';

const test = suite('life of the server');

async function withServer(
  options: Omit<ServeOptions, 'models'> & { models?: Record<string, string> },
  use: (server: RerankServer, log: LogEntry[]) => Promise<void>,
): Promise<void> {
  const log: LogEntry[] = [];
  await using server = await serve({
    models: { tiny: modelFolder() },
    port: 0,
    onLog: (entry) => log.push(entry),
    onWarning: () => undefined,
    ...options,
  });
  await use(server, log);
}

function rank(url: string, body: object = {}, options: RequestInit = {}): Promise<Response> {
  return fetch(`${url}/v1/rerank`, {
    method: 'POST',
    ...options,
    headers: { 'content-type': 'application/json', ...(options.headers as Record<string, string>) },
    body: JSON.stringify({ query: 'a query', documents: ['one', 'two'], ...body }),
  });
}

/** Work for about as long as `thousands` of pairs take. */
const work = (thousands: number) => ({
  documents: Array.from({ length: thousands * 1000 }, (_, i) => `document ${i} ${'word '.repeat(40)}`),
});
const LARGE = { maxDocuments: 1_000_000, maxTokens: 1e9, maxBodyBytes: 2 ** 30, requestTimeout: 3600 };

test('asks for a key, and takes each of them in both headers', () =>
  withServer({ apiKeys: ['first', 'second'] }, async ({ url }) => {
    const status = async (headers: Record<string, string>) => (await rank(url, {}, { headers })).status;
    assert.is(await status({}), 401);
    assert.is(await status({ authorization: 'Bearer other' }), 401);
    assert.is(await status({ authorization: 'Bearer first' }), 200);
    assert.is(await status({ 'x-api-key': 'second' }), 200);
    assert.is((await fetch(`${url}/metrics`)).status, 401);
    for (const open of ['/livez', '/readyz', '/health', '/openapi.json', '/']) {
      assert.is((await fetch(url + open)).status, 200, open);
    }
  }));

test('is called by names of this machine alone, and by pages of origins that were named', () =>
  withServer({ corsOrigins: ['https://shop.example'], allowedHosts: ['rerank.test'] }, async ({ url }) => {
    const { port } = new URL(url);
    assert.match(await raw(Number(port), 'GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n'), /^HTTP\/1\.1 403 /);
    for (const host of ['localhost', 'rerank.test:80', '127.0.0.1']) {
      assert.match(await raw(Number(port), `GET /livez HTTP/1.1\r\nHost: ${host}\r\n\r\n`), /^HTTP\/1\.1 200 /);
    }
    const allowed = async (origin: string) =>
      (await rank(url, {}, { headers: { origin } })).headers.get('access-control-allow-origin');
    assert.is(await allowed('https://shop.example'), 'https://shop.example');
    assert.is(await allowed('https://other.example'), null);
  }));

test('sends nothing of other origins without being told to', () =>
  withServer({}, async ({ url }) => {
    const { headers } = await rank(url, {}, { headers: { origin: 'https://shop.example' } });
    assert.is(headers.get('access-control-allow-origin'), null);
  }));

test('loads models on first use and keeps so many', () =>
  withServer(
    { models: { a: modelFolder(), b: changedModel('mono-rank'), c: modelFolder() }, maxLoaded: 2 },
    async ({ url }, log) => {
      const events = () =>
        log.filter(({ event }) => event !== 'request').map(({ event, model }) => `${event} ${model}`);
      assert.equal(events(), ['loaded a', 'listening undefined']);
      for (const model of ['b', 'a', 'c', 'a']) assert.is((await rank(url, { model })).status, 200);
      await Promise.all(
        ['a', 'b', 'c', 'b', 'a', 'c'].map(async (model) => assert.is((await rank(url, { model })).status, 200)),
      );
      assert.equal(events().slice(2, 5), ['loaded b', 'closed b', 'loaded c']);
      const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
      assert.equal(
        data.map(({ id }) => id),
        ['a', 'b', 'c'],
      );
    },
  ));

test('a model that cannot be loaded fails its own requests alone', () =>
  withServer({ models: { tiny: modelFolder(), gone: '/nowhere/model' } }, async ({ url }, log) => {
    const answer = await rank(url, { model: 'gone' });
    assert.is(answer.status, 404);
    assert.is((await rank(url)).status, 200);
    assert.ok(log.length > 0);
  }));

test('refuses bodies, documents and tokens above its limits', () =>
  withServer({ maxBodyBytes: 2000, maxDocuments: 3, maxTokens: 50 }, async ({ url }) => {
    const status = async (body: object) => (await rank(url, body)).status;
    assert.is(await status({ documents: ['x'.repeat(3000)] }), 413);
    assert.is(await status({ documents: ['a', 'b', 'c', 'd'] }), 413);
    assert.is(
      await status({ documents: ['one two three four five six seven eight '.repeat(9), 'x '.repeat(90)] }),
      400,
    );
    assert.is(await status({}), 200);
  }));

test('gives a request up when its time has passed, and answers others', () =>
  withServer({ ...LARGE }, async ({ url }) => {
    const late = await rank(url, work(20), { headers: { 'x-request-timeout': '0.2' } });
    assert.is(late.status, 504);
    assert.match(((await late.json()) as { message: string }).message, '0.2 s');
    assert.is((await rank(url)).status, 200);
  }));

test('a client that leaves frees the engine', () =>
  withServer({ ...LARGE, maxWaiting: 1 }, async ({ url }, log) => {
    const leaving = new AbortController();
    const left = rank(url, work(30), { signal: leaving.signal }).catch((error: unknown) => error);
    while (!(await inWork(url))) await sleep(5);
    leaving.abort();
    assert.is(((await left) as Error).name, 'AbortError');
    while (await inWork(url)) await sleep(5);
    assert.is((await rank(url)).status, 200);
    assert.ok(log.some(({ event, status }) => event === 'request' && status === 499));
  }));

test('answers 429 with Retry-After when too much is in work', () =>
  withServer({ ...LARGE, maxWaiting: 1 }, async ({ url }) => {
    const leaving = new AbortController();
    const first = rank(url, work(30), { signal: leaving.signal }).catch(() => undefined);
    while (!(await inWork(url))) await sleep(5);
    const refused = await rank(url);
    assert.is(refused.status, 429);
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    leaving.abort();
    await first;
  }));

test('small requests are answered beside a large one', () =>
  withServer({ ...LARGE }, async ({ url }) => {
    const leaving = new AbortController();
    let isDone = false;
    const large = rank(url, work(60), { signal: leaving.signal }).then(
      () => (isDone = true),
      () => undefined,
    );
    while (!(await inWork(url))) await sleep(5);
    for (let i = 0; i < 5; i++) assert.is((await rank(url)).status, 200);
    assert.not(isDone);
    leaving.abort();
    await large;
  }));

test('finishes what is in work when it ends, and takes nothing new', async () => {
  const stop = new AbortController();
  const server = await serve({ models: { tiny: modelFolder() }, port: 0, signal: stop.signal, ...LARGE });
  const inTheEnd = rank(server.url, work(2));
  while (!(await inWork(server.url))) await sleep(5);
  stop.abort();
  const isTaken = (): Promise<boolean> =>
    rank(server.url).then(
      () => true,
      () => false,
    );
  while (await isTaken()); // what arrives in the first turns is still answered
  assert.is((await inTheEnd).status, 200);
  await server.ended;
});

test('answers what had arrived when it was told to end, read or not', async () => {
  const server = await serve({ models: { tiny: modelFolder() }, port: 0 });
  const sockets = Array.from({ length: 4 }, () => connect(Number(new URL(server.url).port), '127.0.0.1'));
  const ask = () =>
    Promise.all(
      sockets.map(async (socket) => {
        socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
        const ended = once(socket, 'end').then(() => ['the connection was closed']);
        const [answer] = (await Promise.race([once(socket, 'data'), ended])) as [Buffer | string];
        assert.match(String(answer), /^HTTP\/1\.1 200 /);
      }),
    );
  await ask(); // now they are kept alive
  const again = ask();
  const closed = server.close(); // before the event loop has read anything
  await again;
  await closed;
});

test('gives up what is in work when the time to end has passed', async () => {
  const server = await serve({ models: { tiny: modelFolder() }, port: 0, drainTimeout: 0, ...LARGE });
  const broken = rank(server.url, work(60));
  while (!(await inWork(server.url))) await sleep(5);
  const closed = server.close();
  assert.is((await broken).status, 503);
  await closed;
});

test('half bodies and slow heads lose nothing but themselves', () =>
  withServer({}, async ({ url }) => {
    const port = Number(new URL(url).port);
    const head =
      'POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n';
    const sockets = Array.from({ length: 50 }, (_, i) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(i % 2 ? head + '{"query"' : 'POST /v1/rer');
      return socket;
    });
    assert.is((await rank(url)).status, 200);
    for (const socket of sockets) socket.destroy();
    assert.is((await rank(url)).status, 200);
  }));

test('tells a port that is taken', () =>
  withServer({}, async ({ url }) => {
    const port = Number(new URL(url).port);
    await serve({ models: { tiny: modelFolder() }, port }).then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, `127.0.0.1:${port}: another program listens there`),
    );
  }));

/** True while a request to score is in work. */
async function inWork(url: string): Promise<boolean> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return /^rank_distillm_requests_in_work [1-9]/m.test(text);
}

function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString('latin1'));
    });
    socket.once('error', reject);
  });
}

test.run();
