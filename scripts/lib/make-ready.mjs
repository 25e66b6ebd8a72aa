// What setup.mjs starts: npm dependencies, the addon, TypeScript; with --torch also LibTorch and the addon for its devices. Plain JavaScript on Node alone, because nothing
// else is there yet.
import { join } from 'node:path';
import { areAddonsBuilt, ensureAddons } from './addon.mjs';
import { withLock } from './lock.mjs';
import { ensureDependencies, isInstalled } from './npm.mjs';
import { root } from './root.mjs';
import { giveUp, say } from './say.mjs';
import { checkNode, checkPlatform } from './tools.mjs';
import { ensureTypeScript, isCompiled } from './typescript.mjs';

const torch = process.argv.includes('--torch');

/** Writes nothing, so that a checkout of somebody else can be used, too. */
const isReady = () => isInstalled() && areAddonsBuilt(torch) && isCompiled();

async function makeReady() {
  const start = Date.now();
  checkNode();
  checkPlatform();
  if (isReady()) return;
  await withLock(join(root, 'build', 'setup.lock'), async () => {
    const done = [await ensureDependencies(), await ensureAddons(torch), await ensureTypeScript()];
    if (done.includes(true)) say(`ready after ${((Date.now() - start) / 1000).toFixed(1)} s`);
  });
}

try {
  await makeReady();
} catch (error) {
  giveUp(error);
}
