// Makes prebuilds/linux-x64 as the published package holds it: the addon, LibTorch's libraries as real files (npm drops
// symbolic links) with their licence, and what the binary needs of a machine. `npm pack` then takes it along.
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ADDON_NAME } from './lib/addon.mjs';
import { root } from './lib/root.mjs';
import { giveUp, say, SetupError } from './lib/say.mjs';
import { readStamp } from './lib/stamp.mjs';
import { inWorkFolder } from './lib/once.mjs';

/** LibTorch's licence: in our cache beside lib, of a Python package in the folder of its metadata. @param {string} libtorch */
function licenceOf(libtorch) {
  const beside = dirname(libtorch);
  const metadata = readdirSync(beside).filter((name) => /^torch-.*\.dist-info$/.test(name));
  const places = [libtorch, ...metadata.flatMap((name) => [join(beside, name), join(beside, name, 'licenses')])];
  const found = places.map((folder) => join(folder, 'LICENSE')).find((file) => existsSync(file));
  if (found) return found;
  throw new SetupError(
    `${libtorch} has no LICENSE, and a package must not carry LibTorch without it`,
    "Build against pip's wheel (npm run setup with pip, and neither RANK_DISTILLM_LIBTORCH nor LIBTORCH set).",
  );
}

try {
  const { libtorch, libraries, cuda } = /** @type {{ libtorch?: string, libraries: string[], cuda: boolean }} */ (
    readStamp('addon')
  );
  if (libtorch === undefined) throw new SetupError('the native engine is not built', 'npm run setup builds it.');
  if (cuda) {
    throw new SetupError(
      'the native engine is built for CUDA, and the package holds the one for the CPU',
      'RANK_DISTILLM_CUDA=0 npm run setup builds that.',
    );
  }
  const target = join(root, 'prebuilds', 'linux-x64');
  // Filled elsewhere: npm packs whatever lies in prebuilds.
  await inWorkFolder(join(root, 'build', 'prebuilds'), async (work) => {
    const folder = join(work, 'linux-x64');
    mkdirSync(folder);
    for (const name of [ADDON_NAME, 'requirements.json', ...libraries]) {
      cpSync(join(root, 'build/Release', name), join(folder, name), { dereference: true });
    }
    cpSync(licenceOf(libtorch), join(folder, 'LICENSE-libtorch'), { dereference: true });
    rmSync(target, { recursive: true, force: true });
    mkdirSync(dirname(target), { recursive: true });
    renameSync(folder, target);
  });
  say(`${target} is ready for npm pack`);
} catch (error) {
  giveUp(error);
}
