import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withDownloads } from '../../src/fetch/downloads.js';
import { fetchModel, resolveModel } from '../../src/models/resolve-model.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { withVariables } from '../support/environment.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';
import { addRepository, gitHash, sha256, webServer, type WebServer } from '../support/web-server.js';

const test = suite('hub');

const COMMIT = 'a'.repeat(40);
const NEXT = 'b'.repeat(40);
const REFERENCES = new URL('../golden/references/', import.meta.url).pathname;

function filesOf(model: string): Record<string, Buffer> {
  const folder = join(REFERENCES, model);
  const names = readdirSync(folder).filter((name) => name !== 'expected.json');
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))]));
}

/** A hub with one model, whose weights are on another host, beside files that nobody needs. */
async function hub(model = 'mono-rank', id = 'webis/some-model') {
  const server = await webServer();
  const cdn = await webServer();
  const files = {
    ...filesOf(model),
    'README.md': Buffer.from('# read me'),
    'tf_model.h5': Buffer.alloc(1000, 'h'),
    'pytorch_model.bin': Buffer.alloc(1000, 'b'),
    'onnx/model.onnx': Buffer.alloc(1000, 'o'),
  };
  const names = Object.keys(files).filter((name) => /\.(safetensors|bin|h5|onnx)$/.test(name));
  addRepository(server, { id, commit: COMMIT, revisions: ['main', 'v1'], files, large: { names, server: cdn } });
  const home = temporaryFolder();
  const variables = { HF_ENDPOINT: server.url, HF_HOME: home, HF_TOKEN: 'hf_secret' };
  const within = <T>(work: () => Promise<T>, more: Record<string, string> = {}): Promise<T> =>
    withVariables({ ...variables, ...more }, work);
  const close = async (): Promise<void> => {
    await server[Symbol.asyncDispose]();
    await cdn[Symbol.asyncDispose]();
  };
  return { server, cdn, files, home, repo: join(home, 'hub', `models--${id.replace('/', '--')}`), within, close };
}

const paths = (server: WebServer): string[] => server.requests.map(({ method, path }) => `${method} ${path}`);

test('a model is fetched by its id into the layout of huggingface_hub, and only what is needed', async () => {
  const { server, cdn, files, repo, within, close } = await hub();
  await within(async () => {
    const { folder, hubId } = await resolveModel('webis/some-model');
    assert.is(hubId, 'webis/some-model');
    assert.is(folder, join(repo, 'snapshots', COMMIT));
    assert.is((await loadCheckpoint('webis/some-model')).tensors.length, 40);
    assert.equal(readdirSync(folder).sort(), Object.keys(filesOf('mono-rank')).sort());
    assert.is(readFileSync(join(repo, 'refs', 'main'), 'utf8'), COMMIT);
    const weights = join(folder, 'model.safetensors');
    assert.ok(lstatSync(weights).isSymbolicLink());
    assert.is(readlinkSync(weights), `../../blobs/${sha256(files['model.safetensors' as never])}`);
    assert.is(readlinkSync(join(folder, 'config.json')), `../../blobs/${gitHash(files['config.json' as never])}`);
    assert.ok(existsSync(join(repo, '.no_exist', COMMIT, 'modules.json')));
    assert.equal(
      readdirSync(join(repo, 'blobs')).filter((name) => name.startsWith('.')),
      [],
    );
  });
  const wanted = paths(server).filter((line) => /README|tf_model|pytorch|onnx/.test(line));
  assert.equal(wanted, []);
  assert.ok(server.requests.every(({ authorization }) => authorization === 'Bearer hf_secret'));
  assert.is(cdn.requests.length, 1);
  assert.is(cdn.requests[0]!.authorization, undefined, 'the token goes to no other host');
  await close();
});

test('what is in the cache needs no request; a branch moves with fetchModel alone', async () => {
  const { server, cdn, files, repo, within, close } = await hub();
  await within(async () => {
    await resolveModel('webis/some-model@v1');
    server.requests.length = 0;
    for (const id of ['webis/some-model@v1', `webis/some-model@${COMMIT}`]) {
      assert.is((await resolveModel(id)).folder, join(repo, 'snapshots', COMMIT));
    }
    assert.equal(paths(server), []);
    const changed = { ...files, 'config.json': Buffer.concat([files['config.json' as never], Buffer.from('\n')]) };
    addRepository(server, { id: 'webis/some-model', commit: NEXT, revisions: ['v1'], files: changed });
    cdn.requests.length = 0;
    assert.is((await resolveModel('webis/some-model@v1')).folder, join(repo, 'snapshots', COMMIT));
    assert.is(await fetchModel('webis/some-model@v1'), join(repo, 'snapshots', NEXT));
    assert.is((await resolveModel('webis/some-model@v1')).folder, join(repo, 'snapshots', NEXT));
    assert.equal(paths(cdn), [], 'the weights are the same blob');
  });
  await close();
});

test('sharded weights: the index and the files that it names', async () => {
  const { within, close } = await hub('sharded-safetensors');
  await within(async () => {
    const { folder } = await resolveModel('webis/some-model');
    assert.is(readdirSync(folder).filter((name) => name.endsWith('.safetensors')).length, 3);
    assert.ok((await loadCheckpoint('webis/some-model')).tensors.length > 0);
  });
  await close();
});

test('a snapshot of another library is completed; without the hub it is used as it is', async () => {
  const { server, repo, home, within, close } = await hub();
  await within(async () => {
    const { folder } = await resolveModel('webis/some-model');
    const { rm } = await import('node:fs/promises');
    await rm(join(repo, '.no_exist'), { recursive: true });
    await rm(join(folder, 'special_tokens_map.json'));
    const notes: string[] = [];
    await withVariables({ HF_ENDPOINT: 'http://127.0.0.1:1' }, () =>
      withDownloads({ onNote: (note) => notes.push(note) }, () => resolveModel('webis/some-model')),
    );
    assert.match(notes.join(), /used as it is in the cache, which may lack files/);
    assert.not(existsSync(join(folder, 'special_tokens_map.json')));
    server.requests.length = 0;
    await resolveModel('webis/some-model');
    assert.ok(existsSync(join(folder, 'special_tokens_map.json')));
    assert.equal(
      paths(server).filter((line) => line.startsWith('GET /webis')),
      [],
      'its blob was there',
    );
  });
  assert.ok(realpathSync(home));
  await close();
});

for (const [variable, value] of [
  ['HF_HUB_OFFLINE', '1'],
  ['RANK_DISTILLM_OFFLINE', 'true'],
] as const) {
  test(`${variable} forbids every request`, async () => {
    const { server, within, close } = await hub();
    await within(() => refuses(() => resolveModel('webis/some-model'), 'not_found', variable), { [variable]: value });
    await within(() => resolveModel('webis/some-model'));
    server.requests.length = 0;
    await within(() => resolveModel('webis/some-model'), { [variable]: value });
    assert.equal(paths(server), []);
    await close();
  });
}

const refusals: [name: string, status: number, code: string | undefined, words: RegExp, hint: RegExp][] = [
  ['a wrong id', 401, 'RepoNotFound', /webis\/some-model: no such model on .*, or a private one/, /spelling/],
  ['no such repository', 404, undefined, /no such model on/, /spelling/],
  [
    'a gated model',
    403,
    'GatedRepo',
    /is gated, and the token that is set may not read it/,
    /Accept its terms at http/,
  ],
  ['a wrong revision', 404, 'RevisionNotFound', /has no revision main/, /branch, a tag or a commit/],
  ['a wrong token', 401, undefined, /refuses the token/, /new token/],
  ['a refusal without a reason', 403, undefined, /answers 403/, /open the address/],
];
for (const [name, status, code, words, hint] of refusals) {
  test(`${name} is one error that says how to fix it`, async () => {
    const { server, repo, within, close } = await hub();
    const headers = code === undefined ? {} : { 'x-error-code': code };
    server.fault('/api/models/webis/some-model/revision/main', { kind: 'status', status, headers });
    await within(async () => {
      const kind = status === 403 || name === 'a wrong token' ? 'io' : 'not_found';
      const error = await refuses(() => resolveModel('webis/some-model'), kind, words);
      assert.match(error.hint!, hint);
    });
    assert.is(server.requests.length, 1);
    assert.not(existsSync(repo), 'nothing is left');
    await close();
  });
}

test('the token comes from the file of hf auth login as well', async () => {
  const { server, home, within, close } = await hub();
  writeFileSync(join(home, 'token'), 'hf_of_the_file\n');
  await within(() => resolveModel('webis/some-model'), { HF_TOKEN: '' });
  assert.is(server.requests[0]!.authorization, 'Bearer hf_of_the_file');
  await close();
});

test('names of a hostile hub stay in the cache', async () => {
  const { server, home, within, close } = await hub();
  const info = {
    sha: COMMIT,
    siblings: ['../../../../escaped', '/etc/passwd', '..', 'config.json', 'a/../../b'].map((rfilename) => ({
      rfilename,
    })),
  };
  server.files.set('/api/models/webis/some-model/revision/main', { body: Buffer.from(JSON.stringify(info)) });
  server.files.set(`/webis/some-model/resolve/${COMMIT}/config.json`, {
    body: Buffer.from('{}'),
    headers: { etag: '"../../../escaped"' },
  });
  await within(() => refuses(() => resolveModel('webis/some-model'), 'io', /neither size nor checksum/));
  for (const sha of ['../../x', 'main', 7]) {
    server.files.set('/api/models/webis/some-model/revision/main', {
      body: Buffer.from(JSON.stringify({ ...info, sha })),
    });
    await within(() => refuses(() => resolveModel('webis/some-model'), 'io', /no list of files/));
  }
  server.files.set('/api/models/webis/some-model/revision/main', { body: Buffer.from('<html>login</html>') });
  await within(() => refuses(() => resolveModel('webis/some-model'), 'io', /answers with no JSON/));
  assert.equal(
    readdirSync(home, { recursive: true }).filter((name) => String(name).includes('escaped')),
    [],
  );
  await close();
});

test.run();
