import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { download, type Download } from '../../src/fetch/download.js';
import { withDownloads, type DownloadProgress } from '../../src/fetch/downloads.js';
import { withVariables } from '../support/environment.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';
import { md5, sha256, webServer, type Fault, type WebServer } from '../support/web-server.js';

const test = suite('download');

// The table of docs/downloads.md shows these rows: the fault, what the user sees, and what is left on disk.

const BODY = randomBytes(2_000_000);

interface Place extends AsyncDisposable {
  server: WebServer;
  folder: string;
  wanted: Download;
  get: (more?: Partial<Download>) => Promise<void>;
}

async function place(): Promise<Place> {
  const server = await webServer();
  server.files.set('/data.bin', { body: BODY, headers: { etag: '"1"' } });
  const folder = temporaryFolder();
  const wanted: Download = {
    name: 'data.bin',
    urls: [`${server.url}/data.bin`],
    target: join(folder, 'data.bin'),
    digest: { algorithm: 'sha256', hex: sha256(BODY) },
    movedBy: 'HF_HOME',
  };
  const get = (more: Partial<Download> = {}): Promise<void> =>
    withVariables({ HF_HUB_DOWNLOAD_TIMEOUT: '0.5' }, () => download({ ...wanted, ...more }));
  return { server, folder, wanted, get, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** Whether each request asked for a rest. */
const ranges = ({ requests }: WebServer): boolean[] => requests.map(({ range }) => range !== undefined);

const passing: [name: string, faults: Fault[], ranges: boolean[]][] = [
  [
    'cut connections',
    [
      { kind: 'cut', after: 700_000 },
      { kind: 'cut', after: 700_000 },
    ],
    [false, true, true],
  ],
  ['a body that stalls', [{ kind: 'stall', after: 1_000_000 }], [false, true]],
  ['no Content-Length', [{ kind: 'no length' }], [false]],
  ['a cut without Content-Length', [{ kind: 'cut', after: 1_000_000 }, { kind: 'no length' }], [false, true]],
  ['a range that is ignored', [{ kind: 'cut', after: 1_000_000 }, { kind: 'no range' }], [false, true]],
  ['a range that is refused', [{ kind: 'cut', after: 1_000_000 }, { kind: 'range refused' }], [false, true, false]],
  ['503', [{ kind: 'status', status: 503 }], [false, false]],
  ['429 with Retry-After', [{ kind: 'status', status: 429, headers: { 'retry-after': '1' } }], [false, false]],
  ['other content, once', [{ kind: 'changed' }], [false, false]],
  ['a slow body', [{ kind: 'slow', piece: 20_000 }], [false]],
];
for (const [name, faults, expected] of passing) {
  test(`passes: ${name}`, async () => {
    await using at = await place();
    for (const fault of faults) at.server.fault('/data.bin', fault);
    await at.get();
    assert.ok(readFileSync(at.wanted.target).equals(BODY));
    assert.equal(readdirSync(at.folder), ['data.bin']);
    assert.equal(ranges(at.server), expected);
  });
}

const lasting: [
  name: string,
  fault: Fault,
  code: 'io' | 'not_found',
  words: RegExp,
  hint: RegExp,
  left: number | undefined,
][] = [
  [
    '401',
    { kind: 'status', status: 401 },
    'io',
    /data\.bin: cannot be downloaded: .* answers 401/,
    /browser/,
    undefined,
  ],
  ['403', { kind: 'status', status: 403 }, 'io', /answers 403/, /browser/, undefined],
  ['404', { kind: 'status', status: 404 }, 'not_found', /is not there: .* answers 404/, /newer version/, undefined],
  ['503 for ever', { kind: 'status', status: 503 }, 'io', /answers 503 \(5 tries\)/, /goes on where/, undefined],
  [
    '429 for an hour',
    { kind: 'status', status: 429, headers: { 'retry-after': '3600' } },
    'io',
    /answers 429 and asks to wait 3600 s/,
    /Try again later/,
    undefined,
  ],
  [
    'other content',
    { kind: 'changed' },
    'io',
    /has the SHA256 \w+ instead of \w+, twice/,
    /damaged on the way/,
    undefined,
  ],
  ['stalls for ever', { kind: 'stall', after: 0 }, 'io', /no data for 0.5 s \(5 tries\)/, /goes on where/, undefined],
];
for (const [name, fault, code, words, hint, left] of lasting) {
  test(`fails: ${name}`, async () => {
    await using at = await place();
    at.server.fault('/data.bin', fault, Infinity);
    const error = await refuses(() => at.get(), code, words);
    assert.match(error.hint!, hint);
    assert.equal(readdirSync(at.folder).length, left ?? 0);
  });
}

test('what a failed download has is kept, and the next call goes on there', async () => {
  await using at = await place();
  at.server.fault('/data.bin', { kind: 'cut', after: 1_000_000 });
  at.server.fault('/data.bin', { kind: 'status', status: 403 });
  await refuses(() => at.get(), 'io', /answers 403/);
  assert.equal(readdirSync(at.folder), ['.data.bin.part']);
  await at.get();
  assert.equal(readdirSync(at.folder), ['data.bin']);
  assert.equal(ranges(at.server), [false, true, true]);
});

test('what is left of another version is noticed and not kept', async () => {
  await using at = await place();
  writeFileSync(join(at.folder, '.data.bin.part'), Buffer.alloc(100_000, 'o'));
  await at.get();
  assert.ok(readFileSync(at.wanted.target).equals(BODY));
  assert.equal(ranges(at.server), [true, false]);
});

test('without a checksum nothing is continued', async () => {
  await using at = await place();
  at.server.fault('/data.bin', { kind: 'cut', after: 1_000_000 });
  await at.get({ digest: undefined });
  assert.equal(ranges(at.server), [false, false]);
});

test('a body that is larger than announced is not written on and on', async () => {
  await using at = await place();
  at.server.fault('/data.bin', { kind: 'endless' }, Infinity);
  await refuses(() => at.get({ size: BODY.length }), 'io', /more than 2000000 bytes/);
  assert.not(existsSync(at.wanted.target));
});

test('another size than the hub says', async () => {
  await using at = await place();
  await refuses(() => at.get({ size: 7 }), 'io', /a file of 2000000 bytes instead of 7/);
});

test('too little space on the disk is told before the first byte', async () => {
  await using at = await place();
  const error = await refuses(
    () => at.get({ unpackedSize: 1e18 }),
    'io',
    /data\.bin: needs \d{13} MB, but only \d+ MB are free on the disk of/,
  );
  assert.match(error.hint!, /set HF_HOME to a folder on a larger disk/);
  assert.equal(readdirSync(at.folder), []);
});

test('the next address is taken where one fails', async () => {
  await using at = await place();
  await at.get({ urls: [`${at.server.url}/gone`, `${at.server.url}/data.bin`] });
  assert.equal(readdirSync(at.folder), ['data.bin']);
});

test('a redirect to another host gets the file without the token; its 403 is tried again', async () => {
  await using at = await place();
  await using other = await webServer();
  other.files.set('/signed', { body: BODY });
  other.fault('/signed', { kind: 'status', status: 403 });
  at.server.files.set('/data.bin', { body: BODY, redirect: `${other.url}/signed` });
  await at.get({ token: 'hf_secret' });
  assert.equal(
    at.server.requests.map(({ authorization }) => authorization),
    ['Bearer hf_secret', 'Bearer hf_secret'],
  );
  assert.equal(
    other.requests.map(({ authorization }) => authorization),
    [undefined, undefined],
  );
});

test('a circle of redirects, and one to a file', async () => {
  await using at = await place();
  at.server.files.set('/data.bin', { body: BODY, redirect: '/data.bin' });
  await refuses(() => at.get(), 'io', /redirects more than 10 times/);
  at.server.files.set('/data.bin', { body: BODY, redirect: 'file:///etc/passwd' });
  await refuses(() => at.get(), 'bad_input', /is no address/);
});

test('a proxy is used where the variables name one', async () => {
  await using at = await place();
  await using proxy = await webServer();
  proxy.answer = (request, response) => {
    assert.is(request.url, 'http://files.example/data.bin');
    response.end(BODY);
    return true;
  };
  await withVariables({ http_proxy: proxy.url }, () => at.get({ urls: ['http://files.example/data.bin'] }));
  assert.is(proxy.requests.length, 1);
});

test('progress counts what was there, and ends once', async () => {
  await using at = await place();
  writeFileSync(join(at.folder, '.data.bin.part'), BODY.subarray(0, 300_000));
  const told: DownloadProgress[] = [];
  await withDownloads({ onProgress: (progress) => told.push(progress) }, () => at.get());
  assert.equal(told.at(0), { name: 'data.bin', bytes: 300_000, totalBytes: 2_000_000, ended: false });
  assert.equal(told.at(-1), { name: 'data.bin', bytes: 2_000_000, totalBytes: 2_000_000, ended: true });
});

test('an abort stops at once and keeps what there is', async () => {
  await using at = await place();
  at.server.fault('/data.bin', { kind: 'stall', after: 1_000_000 });
  const controller = new AbortController();
  const onProgress = ({ ended }: DownloadProgress): void => {
    if (!ended) setTimeout(() => controller.abort(), 100);
  };
  const work = withDownloads({ onProgress, signal: controller.signal }, () => at.get());
  await work.then(
    () => assert.unreachable(),
    (error: { code: string }) => assert.is(error.code, 'aborted'),
  );
  assert.equal(readdirSync(at.folder), ['.data.bin.part']);
});

const CHILD = fileURLToPath(new URL('./download-child.ts', import.meta.url));
const LOADER = new URL('../../scripts/lib/load-typescript.mjs', import.meta.url).href;

function child(at: Place) {
  const digest = md5(BODY);
  const { RANK_DISTILLM_OFFLINE: _, ...env } = process.env;
  return spawn(process.execPath, ['--import', LOADER, CHILD, at.wanted.target, at.wanted.urls[0], digest], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test('two processes download a file once', async () => {
  await using at = await place();
  at.server.fault('/data.bin', { kind: 'slow', piece: 20_000 });
  const children = [child(at), child(at)];
  const codes = await Promise.all(children.map(async (one) => (await once(one, 'close')) as [number]));
  assert.equal(
    codes.map(([code]) => code),
    [0, 0],
  );
  assert.is(at.server.requests.length, 1);
  assert.equal(readdirSync(at.folder), ['data.bin']);
});

test('SIGKILL at 20 random moments leaves nothing that is taken for finished, and the next call completes', async () => {
  await using at = await place();
  at.server.fault('/data.bin', { kind: 'slow', piece: 20_000 }, Infinity);
  let resumed = 0;
  for (let i = 0; i < 20; i += 1) {
    const killed = child(at);
    const closed = once(killed, 'close');
    await once(killed.stdout, 'data'); // it begins
    await sleep(Math.random() * 600);
    killed.kill('SIGKILL');
    await closed;
    if (existsSync(at.wanted.target)) assert.ok(readFileSync(at.wanted.target).equals(BODY));
    resumed += at.server.requests.filter(({ range }) => range !== undefined).length;
  }
  await at.get();
  assert.ok(readFileSync(at.wanted.target).equals(BODY));
  assert.equal(readdirSync(at.folder), ['data.bin']);
  assert.ok(resumed > 0);
});

test.run();
