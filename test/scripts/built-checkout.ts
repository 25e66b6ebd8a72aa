import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inCheckout } from './support.js';

type Addon = typeof import('../../scripts/lib/addon.mjs');
type Stamp = typeof import('../../scripts/lib/stamp.mjs');
type Hash = typeof import('../../scripts/lib/hash.mjs');

export const needs = JSON.parse(
  readFileSync(fileURLToPath(new URL('../../build/Release/requirements.json', import.meta.url)), 'utf8'),
) as Record<string, unknown>;
export const REQUIREMENTS = 'build/Release/requirements.json';
export const TORCH_REQUIREMENTS = 'build/Release/requirements-torch.json';
const LIBTORCH = {
  'libtorch/lib/libtorch_cpu.so': '',
  'libtorch/lib/libc10.so': '',
  'libtorch/include/ATen/ATen.h': '',
  'libtorch/share/cmake/Torch/TorchConfig.cmake': '',
  'libtorch/build-version': '2.13.0+cpu',
};
const CHECKOUT = {
  ...LIBTORCH,
  'CMakeLists.txt': '',
  'native/addon.cc': '',
  'build/Release/rank_distillm.node': 'x',
  'build/Release/rank_distillm_torch.node': 'x',
  'build/Release/libc10.so': '',
  [REQUIREMENTS]: JSON.stringify(needs),
  [TORCH_REQUIREMENTS]: JSON.stringify(needs),
};

/** Runs `work` with a checkout whose addons count as built, against a LibTorch that the environment names. */
export function inBuiltCheckout(
  more: Readonly<Record<string, string>>,
  work: (folder: string, load: <T>(script: string) => Promise<T>) => Promise<void> | void,
): Promise<void> {
  return inCheckout({ ...CHECKOUT, ...more }, async (folder, load) => {
    const { ADDON_NAME } = await load<Addon>('scripts/lib/addon.mjs');
    const { writeStamp, fingerprint } = await load<Stamp>('scripts/lib/stamp.mjs');
    const { hashOf } = await load<Hash>('scripts/lib/hash.mjs');
    const at = (path: string): string => join(folder, path);
    const inputs = hashOf([at('CMakeLists.txt'), at('native/addon.cc'), at('scripts/lib/requirements.mjs')]);
    const output = (name: string) => fingerprint(at(`build/Release/${name}`));
    const libtorch = at('libtorch');
    const origin = { root: folder, inputs };
    writeStamp('addon', { ...origin, output: output(ADDON_NAME) });
    const torch = { libtorch, cuda: false, libraries: ['libc10.so'], output: output('rank_distillm_torch.node') };
    writeStamp('torch-addon', { ...origin, ...torch });
    const names = ['RANK_DISTILLM_LIBTORCH', 'RANK_DISTILLM_CUDA'];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) delete process.env[name];
    process.env['RANK_DISTILLM_LIBTORCH'] = libtorch;
    try {
      await work(folder, load);
    } finally {
      for (const [name, value] of before) {
        delete process.env[name];
        if (value !== undefined) process.env[name] = value;
      }
    }
  });
}
