// Makes prebuilds/linux-x64 as the published package holds it: the addon for the CPU without its symbols, and what it
// needs of a machine. `npm pack` then takes it along.
import { cpSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ADDON_NAME } from './lib/addon.mjs';
import { REQUIREMENTS } from './lib/requirements.mjs';
import { root } from './lib/root.mjs';
import { run } from './lib/run.mjs';
import { giveUp, say, SetupError } from './lib/say.mjs';
import { readStamp } from './lib/stamp.mjs';
import { inWorkFolder } from './lib/once.mjs';

try {
  if (readStamp('addon')['output'] === undefined) {
    throw new SetupError('the native engine is not built', 'npm run setup builds it.');
  }
  const target = join(root, 'prebuilds', 'linux-x64');
  // Filled elsewhere: npm packs whatever lies in prebuilds.
  await inWorkFolder(join(root, 'build', 'prebuilds'), async (work) => {
    const folder = join(work, 'linux-x64');
    mkdirSync(folder);
    for (const name of [ADDON_NAME, REQUIREMENTS]) cpSync(join(root, 'build/Release', name), join(folder, name));
    await run('strip', [join(folder, ADDON_NAME)], { what: 'strip', hint: 'It comes with binutils.' });
    rmSync(target, { recursive: true, force: true });
    mkdirSync(dirname(target), { recursive: true });
    renameSync(folder, target);
  });
  say(`${target} is ready for npm pack`);
} catch (error) {
  giveUp(error);
}
