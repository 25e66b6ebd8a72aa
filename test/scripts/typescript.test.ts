import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { complaintOf, inCheckout } from './support.js';

const test = suite('compiling TypeScript');
type TypeScript = typeof import('../../scripts/lib/typescript.mjs');

const tsconfig = readFileSync(fileURLToPath(new URL('../../tsconfig.json', import.meta.url)), 'utf8');
const FILES = {
  'tsconfig.json': tsconfig,
  'package-lock.json': '{}',
  'binding.d.ts': 'export {};\n',
  'src/index.ts': 'export const answer: number = 42;\n',
};

test('a type error leaves dist as it was, and its end compiles again', () =>
  inCheckout(FILES, async (folder, load) => {
    const { ensureTypeScript } = await load<TypeScript>('scripts/lib/typescript.mjs');
    const source = join(folder, 'src/index.ts');
    const built = join(folder, 'dist/index.js');
    assert.is(await ensureTypeScript(), true);
    assert.is(await ensureTypeScript(), false);

    writeFileSync(source, "export const answer: number = 'many';\n");
    assert.match(await complaintOf(ensureTypeScript), /^tsc failed/);
    assert.match(readFileSync(built, 'utf8'), /answer = 42/);

    writeFileSync(source, FILES['src/index.ts']);
    assert.is(await ensureTypeScript(), true);
    assert.match(readFileSync(built, 'utf8'), /answer = 42/);
    assert.is(await ensureTypeScript(), false);
  }));

test('a compiler that ends halfway has compiled nothing', () =>
  inCheckout(FILES, async (folder, load) => {
    const { ensureTypeScript } = await load<TypeScript>('scripts/lib/typescript.mjs');
    await ensureTypeScript();
    writeFileSync(join(folder, 'tsconfig.json'), tsconfig.replace('"noEmitOnError": true,', ''));
    writeFileSync(join(folder, 'src/index.ts'), "export const answer: number = 'many';\n"); // emits, then fails
    await complaintOf(ensureTypeScript);
    assert.not(existsSync(join(folder, 'build/stamps/typescript.json')));
    writeFileSync(join(folder, 'tsconfig.json'), tsconfig);
    writeFileSync(join(folder, 'src/index.ts'), FILES['src/index.ts']);
    assert.is(await ensureTypeScript(), true);
    assert.match(readFileSync(join(folder, 'dist/index.js'), 'utf8'), /answer = 42/);
  }));

test.run();
