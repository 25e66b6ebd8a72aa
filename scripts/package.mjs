// Makes prebuilds/linux-x64 as the published package holds it: the addon, LibTorch's libraries as real files (npm drops
// symbolic links), and what the binary needs of a machine. `npm pack` then takes it along.
import { join } from 'node:path';
import { copyRelease } from './lib/addon.mjs';
import { root } from './lib/root.mjs';
import { say } from './lib/say.mjs';

const target = join(root, 'prebuilds', 'linux-x64');
copyRelease(target);
say(`${target} is ready for npm pack`);
