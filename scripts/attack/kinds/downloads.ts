import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { modelFolder } from '../../../test/support/models.js';
import { addRecord } from '../../../test/support/public-data.js';
import { addRepository, webServer, type Fault, type WebServer } from '../../../test/support/web-server.js';
import type { RandomStream } from '../../../src/random/random-stream.js';
import { Broken, type Kind } from '../kind.js';
import { mutateBytes, mutateJson, pick } from '../mutate.js';

const COMMIT = 'a'.repeat(40);
const LIST = '/api/models/o/m/revision/main';
const NAMES = [
  '../escaped',
  '/tmp/escaped',
  '..',
  '',
  '.',
  'a/../../escaped',
  '\0',
  `${'x'.repeat(300)}`,
  '..\\escaped',
];

function randomFault(random: RandomStream): Fault {
  const after = random.below(5000);
  return pick<Fault>(random, [
    { kind: 'cut', after },
    { kind: 'stall', after },
    { kind: 'changed' },
    { kind: 'no length' },
    { kind: 'no range' },
    { kind: 'range refused' },
    { kind: 'endless' },
    { kind: 'status', status: pick(random, [400, 401, 403, 404, 416, 429, 500, 503]) },
    {
      kind: 'status',
      status: 302,
      headers: { location: pick(random, ['/', 'file:///etc/passwd', '::', 'http://127.0.0.1:1/']) },
    },
  ]);
}

/** Hostile names, headers and lists. */
function spoil(random: RandomStream, server: WebServer): void {
  const list = server.files.get(LIST)!;
  const path = pick(
    random,
    [...server.files.keys()].filter((one) => one.includes('/resolve/')),
  );
  const file = server.files.get(path)!;
  const header = pick(random, ['etag', 'x-linked-etag', 'x-linked-size', 'content-range', 'content-encoding']);
  pick(random, [
    () => (list.body = Buffer.from(mutateJson(random, JSON.parse(list.body.toString())))),
    () => (list.body = mutateBytes(random, list.body)),
    () => {
      const siblings = [...NAMES, 'config.json', 'model.safetensors'].map((rfilename) => ({ rfilename }));
      list.body = Buffer.from(JSON.stringify({ sha: pick(random, [COMMIT, ...NAMES]), siblings }));
    },
    () =>
      (file.headers = {
        ...file.headers,
        [header]: pick(random, ['"../../escaped"', '-1', '1e9', '""', 'W/"x"', 'gzip']),
      }),
    () => (file.body = mutateBytes(random, file.body)),
  ])();
}

/** A hub and a Zenodo that fail and lie. What is in the caches afterwards is what was published, or nothing. */
export const kind: Kind = {
  name: 'servers of downloads',
  tries: { full: 600, short: 30 },
  seconds: 60,
  async open({ api, folder }) {
    const model = modelFolder('mono-rank');
    const files = Object.fromEntries(readdirSync(model).map((name) => [name, readFileSync(join(model, name))]));
    const home = join(folder, 'home');
    for (const name of Object.keys(process.env)) if (/^HF_|_proxy$/i.test(name)) delete process.env[name];
    Object.assign(process.env, { HF_HOME: join(home, 'hf'), XDG_CACHE_HOME: home, HF_HUB_DOWNLOAD_TIMEOUT: '0.2' });
    delete process.env['RANK_DISTILLM_OFFLINE'];

    return async (random) => {
      rmSync(home, { recursive: true, force: true });
      await using server = await webServer();
      process.env['HF_ENDPOINT'] = process.env['ZENODO_ENDPOINT'] = server.url;
      addRepository(server, { id: 'o/m', commit: COMMIT, files });
      addRecord(server, '1', { 'a.run': '1 Q0 2 1 3 x\n' });
      const isSpoilt = random.below(2) === 0;
      if (isSpoilt) spoil(random, server);
      const paths = [...server.files.keys()];
      for (let faults = random.below(4); faults > 0; faults--) server.fault(pick(random, paths), randomFault(random));
      const work = pick(random, [() => api.fetchModel('o/m'), () => api.provideFile('zenodo:1/a.run')]);
      const refusal = await api.withDownloads({ mostTries: 2 }, work).then(
        () => undefined,
        (error: Error) => error,
      );
      if (readdirSync(folder).some((name) => name.includes('escaped')) || existsSync('/tmp/escaped')) {
        throw new Broken('a file was written outside of the cache');
      }
      const snapshot = join(home, 'hf/hub/models--o--m/snapshots', COMMIT);
      for (const name of existsSync(snapshot) ? readdirSync(snapshot) : []) {
        const isSame = readFileSync(join(snapshot, name)).equals(files[name]!);
        if (!isSame && !isSpoilt) throw new Broken(`${name} is not what was published`);
      }
      if (refusal !== undefined) throw refusal;
    };
  },
};
