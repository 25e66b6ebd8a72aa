// Makes prebuilds/linux-x64 as the published package holds it: the addon, LibTorch's libraries as real files (npm drops
// symbolic links), and what the binary needs of a machine. `npm pack` then takes it along.
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib/root.mjs';
import { say } from './lib/say.mjs';

const target = join(root, 'prebuilds', 'linux-x64');
const release = join(root, 'build', 'Release');
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
for (const name of readdirSync(release)) cpSync(join(release, name), join(target, name), { dereference: true });
say(`${target} is ready for npm pack`);
