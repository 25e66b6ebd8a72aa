import { ESLint } from 'eslint';
import { spawnSync, type SpawnSyncOptions } from 'node:child_process';
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inBuiltCheckout } from './built-checkout.js';
import { writeFiles } from '../support/files.js';
import { inCheckout } from './support.js';

const test = suite('set-up');
type Npm = typeof import('../../scripts/lib/npm.mjs');
type TypeScript = typeof import('../../scripts/lib/typescript.mjs');
type Lock = typeof import('../../scripts/lib/lock.mjs');

const root = fileURLToPath(new URL('../..', import.meta.url));
const text = (name: string): string => readFileSync(join(root, name), 'utf8');
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

function setUp(folder: string, options: SpawnSyncOptions = {}, nodeArgs: string[] = []) {
  const args = [...nodeArgs, join(folder, 'scripts/setup.mjs')];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: '/', ...options, encoding: 'utf8' });
  return { status, stderr };
}

test('an old Node.js understands setup.mjs, which says what is needed', async () => {
  const syntax = { languageOptions: { ecmaVersion: 2020 as const, sourceType: 'module' as const } };
  const eslint = new ESLint({ cwd: root, overrideConfigFile: true, overrideConfig: syntax });
  const [result] = await eslint.lintText(text('scripts/setup.mjs'));
  assert.equal(result!.messages, []);
  assert.not.match(text('scripts/setup.mjs'), /^import /m);
  const old = 'data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"12.22.12"}})';
  const { status, stderr } = setUp(root, {}, ['--import', old]);
  assert.is(status, 1);
  assert.match(stderr, /^\nerror: Node\.js 20\.19 or newer is needed, this is 12\.22\.12\n.*nvm install/);
});

test('where all is ready no lock is taken and nothing said', () =>
  inBuiltCheckout(
    {
      'tsconfig.json': text('tsconfig.json'),
      'binding.d.ts': 'export {};\n',
      'src/index.ts': 'export const answer = 42;\n',
      'package-lock.json': text('package-lock.json'),
    },
    async (folder, load) => {
      const { ensureTypeScript } = await load<TypeScript>('scripts/lib/typescript.mjs');
      const { withLock } = await load<Lock>('scripts/lib/lock.mjs');
      await ensureTypeScript();
      await withLock(join(folder, 'build/setup.lock'), async () => {
        assert.equal(setUp(folder), { status: 0, stderr: '' });
      });
    },
  ));

test('a checkout that cannot be written is named with the mend', () =>
  inCheckout({}, (folder) => {
    chmodSync(folder, 0o555);
    try {
      const { status, stderr } = setUp(folder, nobody);
      assert.is(status, 1);
      assert.match(
        stderr,
        /^\nerror: EACCES: permission denied, mkdir '.*\/build'\nMake the folder yours \(sudo chown -R/,
      );
      assert.ok(stderr.includes(folder));
      assert.not.match(stderr, /\n {4}at /);
    } finally {
      chmodSync(folder, 0o755);
    }
  }));

test('packages whose list was cut off are not installed', () =>
  inCheckout({ 'package-lock.json': text('package-lock.json') }, async (folder, load) => {
    const { isInstalled } = await load<Npm>('scripts/lib/npm.mjs');
    const list = text('node_modules/.package-lock.json');
    assert.is(isInstalled(), true);
    rmSync(join(folder, 'node_modules'));
    await writeFiles(folder, { 'node_modules/.package-lock.json': list });
    assert.is(isInstalled(), true);
    await writeFiles(folder, { 'node_modules/.package-lock.json': list.slice(0, list.length / 2) });
    assert.is(isInstalled(), false);
  }));

test('npm tells why it failed, also below a silent npm', () =>
  inCheckout({ 'package-lock.json': '{}' }, async (folder) => {
    rmSync(join(folder, 'node_modules'));
    await writeFiles(folder, { 'package-lock.json': '{ "lockfileVersion": 3, "packages": {' });
    const { status, stderr } = setUp(folder, { env: { ...process.env, npm_config_loglevel: 'silent' } });
    assert.is(status, 1);
    assert.match(stderr, /npm error[\s\S]*error: npm ci failed/);
  }));

test.run();
