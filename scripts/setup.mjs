// Makes a checkout ready: npm dependencies, LibTorch, the addon, the compiled TypeScript. Does only what is not done yet;
// every npm script calls it first. Plain JavaScript, because it runs before any dependency is there.
import { join } from 'node:path';
import { withLock } from './lib/lock.mjs';
import { ensureDependencies } from './lib/npm.mjs';
import { root } from './lib/root.mjs';
import { giveUp, say } from './lib/say.mjs';
import { checkNode } from './lib/tools.mjs';

try {
  const start = performance.now();
  checkNode();
  await withLock(join(root, 'build', 'setup.lock'), async () => {
    const done = [await ensureDependencies()];
    // Imported here: these use what the step above installs.
    const { ensureAddon } = await import('./lib/addon.mjs');
    const { ensureTypescript } = await import('./lib/typescript.mjs');
    done.push(await ensureAddon(), await ensureTypescript());
    if (done.some(Boolean)) say(`ready after ${((performance.now() - start) / 1000).toFixed(0)} s`);
  });
} catch (error) {
  giveUp(error);
}
