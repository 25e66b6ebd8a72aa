// Makes a checkout ready to run: npm dependencies, LibTorch, the addon, TypeScript. Plain JavaScript on Node alone,
// because nothing else is there yet. Every other npm script calls it first; when nothing changed it does nothing.
import { join } from 'node:path';
import { ensureAddon } from './lib/addon.mjs';
import { withLock } from './lib/lock.mjs';
import { ensureDependencies } from './lib/npm.mjs';
import { root } from './lib/root.mjs';
import { giveUp, say } from './lib/say.mjs';
import { checkNode } from './lib/tools.mjs';
import { ensureTypeScript } from './lib/typescript.mjs';

try {
  const start = Date.now();
  checkNode();
  await withLock(join(root, 'build', 'setup.lock'), async () => {
    const done = [await ensureDependencies(), await ensureAddon(), await ensureTypeScript()];
    if (done.includes(true)) say(`ready after ${((Date.now() - start) / 1000).toFixed(1)} s`);
  });
} catch (error) {
  giveUp(error);
}
