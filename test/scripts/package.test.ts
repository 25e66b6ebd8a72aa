import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inBuiltCheckout } from './built-checkout.js';

const test = suite('making prebuilds');
const script = fileURLToPath(new URL('../../scripts/package.mjs', import.meta.url));
const release = fileURLToPath(new URL('../../build/Release/rank_distillm.node', import.meta.url));

function makePackage(folder: string): string {
  cpSync(script, join(folder, 'scripts/package.mjs'));
  return spawnSync(process.execPath, [join(folder, 'scripts/package.mjs')], { encoding: 'utf8' }).stderr;
}

test('prebuilds are whole or as they were, and hold no library', () =>
  inBuiltCheckout({}, (folder) => {
    const built = join(folder, 'build/Release/rank_distillm.node');
    copyFileSync(release, built);
    const target = join(folder, 'prebuilds/linux-x64');
    const whole = ['rank_distillm.node', 'requirements.json'];
    assert.match(makePackage(folder), /is ready for npm pack/);
    assert.equal(readdirSync(target).sort(), whole);
    const bytes = readFileSync(join(target, 'rank_distillm.node'));
    assert.ok(bytes.length <= 4 * 2 ** 20, `${bytes.length} bytes`);
    assert.ok(gzipSync(bytes).length <= 1.5 * 2 ** 20, `${gzipSync(bytes).length} bytes compressed`);
    writeFileSync(join(target, 'old'), '');
    writeFileSync(built, 'no ELF file, which cannot be stripped');
    assert.match(makePackage(folder), /strip/);
    assert.equal(readdirSync(target).sort(), [...whole, 'old'].sort());
    assert.equal(readdirSync(join(folder, 'prebuilds')), ['linux-x64']);
  }));

test('without an engine there is nothing to pack', () =>
  inBuiltCheckout({}, (folder) => {
    rmSync(join(folder, 'build/stamps/addon.json'));
    assert.match(makePackage(folder), /is not built/);
    assert.not(existsSync(join(folder, 'prebuilds')));
  }));

test.run();
