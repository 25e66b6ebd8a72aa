import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fetchModel, resolveModel } from '../../src/models/resolve-model.js';
import { withVariables } from '../support/environment.js';
import { temporaryFolder } from '../support/files.js';
import { pythonWithOriginals } from '../support/shared.js';
import { addRepository, webServer } from '../support/web-server.js';

// The caches are those of Python's huggingface_hub and ir_datasets: each side reads what the other wrote.

const test = suite('python');
const PYTHON = pythonWithOriginals();
const run = promisify(execFile);

async function python(script: string, variables: Record<string, string>): Promise<unknown> {
  const env = { PATH: process.env['PATH'], HF_HUB_DISABLE_PROGRESS_BARS: '1', ...variables };
  const { stdout } = await run(PYTHON!, ['-c', script], { env });
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

const COMMIT = 'c'.repeat(40);
const FOLDER = new URL('../golden/references/mono-rank/', import.meta.url).pathname;
const FILES = Object.fromEntries(
  readdirSync(FOLDER)
    .filter((name) => name !== 'expected.json')
    .map((name) => [name, readFileSync(join(FOLDER, name))]),
);

async function hub() {
  const server = await webServer();
  const cdn = await webServer();
  const large = { names: ['model.safetensors'], server: cdn };
  addRepository(server, { id: 'webis/some-model', commit: COMMIT, files: FILES, large });
  const variables = { HF_ENDPOINT: server.url, HF_HOME: temporaryFolder() };
  return { server, cdn, variables };
}

const SNAPSHOT = `
import json, os, sys
from huggingface_hub import snapshot_download, scan_cache_dir, try_to_load_from_cache
folder = snapshot_download('webis/some-model', local_files_only=LOCAL)
cache = scan_cache_dir()
repo = list(cache.repos)[0]
absent = try_to_load_from_cache('webis/some-model', 'modules.json')
print(json.dumps({
  'folder': folder,
  'files': {name: os.path.getsize(os.path.join(folder, name)) for name in sorted(os.listdir(folder))},
  'warnings': [str(warning) for warning in cache.warnings],
  'refs': sorted(repo.refs), 'blobs': len(os.listdir(os.path.join(repo.repo_path, 'blobs'))),
  'absent': type(absent).__name__,
}))`;

interface Snapshot {
  folder: string;
  files: Record<string, number>;
  warnings: string[];
  refs: string[];
  blobs: number;
  absent: string;
}

const SIZES = Object.fromEntries(Object.entries(FILES).map(([name, body]) => [name, body.length]));

if (PYTHON !== undefined) {
  test('huggingface_hub reads the cache that we wrote, offline', async () => {
    const { server, cdn, variables } = await hub();
    await using _ = server;
    await using __ = cdn;
    const folder = await withVariables(variables, () => fetchModel('webis/some-model'));
    const offline = { ...variables, HF_HUB_OFFLINE: '1' };
    const found = (await python(SNAPSHOT.replace('LOCAL', 'True'), offline)) as Snapshot;
    assert.is(found.folder, folder);
    assert.equal(found.files, SIZES);
    assert.equal(found.warnings, []);
    assert.equal(found.refs, ['main']);
    assert.is(found.absent, 'object', 'huggingface_hub knows that the file does not exist');
  });

  test('huggingface_hub fetches from the same server, and we read its cache without a request', async () => {
    const { server, cdn, variables } = await hub();
    await using _ = server;
    await using __ = cdn;
    const theirs = (await python(SNAPSHOT.replace('LOCAL', 'False'), variables)) as Snapshot;
    assert.equal(theirs.files, SIZES);
    server.requests.length = 0;
    const { folder } = await withVariables({ ...variables, HF_HUB_OFFLINE: '1' }, () =>
      resolveModel('webis/some-model'),
    );
    assert.is(folder, theirs.folder);
    assert.equal(server.requests, []);
    // online, what huggingface_hub cannot know is looked up once, and nothing is downloaded again
    cdn.requests.length = 0;
    assert.is((await withVariables(variables, () => resolveModel('webis/some-model'))).folder, theirs.folder);
    assert.equal(
      server.requests.map(({ method, path }) => `${method} ${path}`),
      [`GET /api/models/webis/some-model/revision/${COMMIT}`],
    );
    assert.equal(cdn.requests, []);
    const again = (await python(SNAPSHOT.replace('LOCAL', 'False'), variables)) as Snapshot;
    assert.is(again.blobs, theirs.blobs);
  });
}

test.run();
