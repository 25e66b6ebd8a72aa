import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inBuiltCheckout } from './built-checkout.js';

const test = suite('making prebuilds');
const script = fileURLToPath(new URL('../../scripts/package.mjs', import.meta.url));
type Stamp = typeof import('../../scripts/lib/stamp.mjs');

function makePackage(folder: string): string {
  cpSync(script, join(folder, 'scripts/package.mjs'));
  return spawnSync(process.execPath, [join(folder, 'scripts/package.mjs')], { encoding: 'utf8' }).stderr;
}

test('prebuilds are whole or as they were', () =>
  inBuiltCheckout({ 'libtorch/LICENSE': 'BSD' }, (folder) => {
    const target = join(folder, 'prebuilds/linux-x64');
    const whole = ['LICENSE-libtorch', 'libc10.so', 'rank_distillm.node', 'requirements.json'];
    assert.match(makePackage(folder), /is ready for npm pack/);
    assert.equal(readdirSync(target).sort(), whole);
    writeFileSync(join(target, 'old'), '');
    rmSync(join(folder, 'libtorch/LICENSE'));
    assert.match(makePackage(folder), /has no LICENSE/);
    assert.equal(readdirSync(target).sort(), [...whole, 'old'].sort());
    assert.equal(readdirSync(join(folder, 'prebuilds')), ['linux-x64']);
  }));

test('an engine for CUDA, or none, is not packed', () =>
  inBuiltCheckout({ 'libtorch/LICENSE': 'BSD' }, async (folder, load) => {
    const { readStamp, writeStamp } = await load<Stamp>('scripts/lib/stamp.mjs');
    writeStamp('addon', { ...readStamp('addon'), cuda: true });
    assert.match(makePackage(folder), /is built for CUDA.*\nRANK_DISTILLM_CUDA=0 npm run setup/);
    rmSync(join(folder, 'build/stamps/addon.json'));
    assert.match(makePackage(folder), /is not built/);
    assert.not(existsSync(join(folder, 'prebuilds')));
  }));

test.run();
