// What setup.mjs starts: npm dependencies, LibTorch, the addon, TypeScript. Plain JavaScript on Node alone, because nothing
// else is there yet.
import { join } from 'node:path';
import { ensureAddon, isAddonBuilt } from './addon.mjs';
import { withLock } from './lock.mjs';
import { ensureDependencies, isInstalled } from './npm.mjs';
import { root } from './root.mjs';
import { giveUp, say } from './say.mjs';
import { checkNode, checkPlatform } from './tools.mjs';
import { ensureTypeScript, isCompiled } from './typescript.mjs';

/** Writes nothing, so that a checkout of somebody else can be used, too. */
const isReady = () => isInstalled() && isAddonBuilt() && isCompiled();

async function makeReady() {
  const start = Date.now();
  checkNode();
  checkPlatform();
  if (isReady()) return;
  await withLock(join(root, 'build', 'setup.lock'), async () => {
    const done = [await ensureDependencies(), await ensureAddon(), await ensureTypeScript()];
    if (done.includes(true)) say(`ready after ${((Date.now() - start) / 1000).toFixed(1)} s`);
  });
}

try {
  await makeReady();
} catch (error) {
  giveUp(error);
}
