import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { excesses } from '../../scripts/release/build.mjs';
import { mainManifest } from '../../scripts/release/manifest.mjs';
import { GPU, packageName, PLATFORMS } from '../../scripts/release/platforms.mjs';
import { newest, readElf } from '../../scripts/lib/requirements.mjs';
import { temporaryFolder } from '../support/files.js';

const test = suite('the tarballs of a release');
/** The functions of Node-API by the version that brought them. */
const { symbols } = createRequire(import.meta.url)('node-api-headers') as {
  symbols: Record<string, Record<'js_native_api_symbols' | 'node_api_symbols', string[]>>;
};
const manifest = mainManifest() as {
  version: string;
  os: string[];
  cpu: string[];
  dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: Record<string, unknown>;
  devDependencies?: unknown;
};
const root = fileURLToPath(new URL('../..', import.meta.url));
const release = join(root, 'build/release');

function script(name: string, ...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts/release', name), ...args], {
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
}

const packed = script('pack.mjs', '--own');

/** Paths of the files in a tarball, and its bytes. */
function contents(start: RegExp): { files: string[]; bytes: number } {
  const [name, ...others] = readdirSync(release).filter((file) => start.test(file));
  assert.equal(others, []);
  const archive = join(release, name!);
  const { stdout } = spawnSync('tar', ['-tzf', archive], { encoding: 'utf8' });
  const files = stdout.split('\n').filter((line) => line !== '' && !line.endsWith('/'));
  return { files: files.map((line) => line.replace(/^package\//, '')).sort(), bytes: statSync(archive).size };
}

test('its types need nothing but its dependencies and those of Node.js', () => {
  const folder = temporaryFolder();
  const modules = join(folder, 'node_modules');
  const link = (name: string): void => {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  };
  for (const name of ['@types/node', ...Object.keys(manifest.dependencies)]) link(name);
  const [archive] = readdirSync(release).filter((file) => /^rank-distillm-\d/.test(file));
  spawnSync('tar', ['-xzf', join(release, archive!), '-C', modules]);
  renameSync(join(modules, 'package'), join(modules, 'rank-distillm'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const source = `import { CrossEncoder } from 'rank-distillm';
import { serve } from 'rank-distillm/serve';
export const model: Promise<CrossEncoder> = CrossEncoder.load('model');
export const wrong: number = serve;`;
  writeFileSync(join(folder, 'app.ts'), source);
  for (const resolution of ['bundler', 'node16', 'nodenext']) {
    const module = resolution === 'bundler' ? 'esnext' : resolution;
    const options = ['--strict', '--skipLibCheck', 'false', '--noEmit', '--target', 'es2022', '--types', 'node'];
    const tsc = [join(root, 'node_modules/typescript/bin/tsc'), ...options];
    const argv = [...tsc, '--lib', 'es2023,esnext.disposable', '--module', module, '--moduleResolution', resolution];
    const { stdout } = spawnSync(process.execPath, [...argv, 'app.ts'], { cwd: folder, encoding: 'utf8' });
    assert.match(stdout, /^app\.ts\(4,14\): error TS2322: [^\n]+\n$/, resolution);
  }
});

test('rank-distillm holds the program, its types, configurations, documents and sources of the engine', () => {
  assert.is(packed.status, 0, packed.output);
  const { files, bytes } = contents(/^rank-distillm-\d/);
  assert.ok(bytes < 2e6, `${bytes} bytes`);
  const folders = new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]!));
  assert.equal([...folders].sort(), ['configs', 'dist', 'docs', 'native', 'scripts', 'third_party']);
  const single = [
    ...['CHANGELOG.md', 'CMakeLists.txt', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md'],
    ...['THIRD_PARTY_NOTICES', 'binding.d.ts', 'package.json'],
  ];
  assert.equal(
    files.filter((file) => !file.includes('/')),
    single,
  );
  assert.equal(
    files.filter((file) => file.startsWith('scripts/')),
    ['scripts/release/install.mjs'],
  );
  for (const needed of ['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'configs/schema.json']) {
    assert.ok(files.includes(needed), needed);
  }
  const unexpected = /\.(map|node|tgz|o)$|\.test\.|(^|\/)\./;
  assert.equal(
    files.filter((file) => unexpected.test(file)),
    [],
  );
});

test("a platform's package holds the engine, the tokenizer's file, and what others own of them", () => {
  const { files, bytes } = contents(/^rank-distillm-linux-/);
  assert.equal(files, [
    ...['LICENSE', 'README.md', 'THIRD_PARTY_NOTICES', 'package.json'],
    ...['rank_distillm.node', 'requirements.json', 'tokenizers.node'],
  ]);
  assert.ok(bytes < 5e6, `${bytes} bytes`);
});

test('its requirements are those of the engine and of the tokenizer', () => {
  const folder = join(release, 'stage', `linux-${process.arch}-gnu`);
  const { glibc } = JSON.parse(readFileSync(join(folder, 'requirements.json'), 'utf8')) as { glibc: string };
  const asked = ['rank_distillm.node', 'tokenizers.node'].map((name) =>
    newest(readElf(join(folder, name)).versions, 'GLIBC'),
  );
  assert.is(glibc, asked.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1));
});

test("the engine asks Node.js for Node-API alone, and for none of what Electron's memory cage refuses", () => {
  const file = join(release, 'stage', `linux-${process.arch}-gnu`, 'rank_distillm.node');
  const { stdout } = spawnSync('nm', ['-D', '--undefined-only', file], { encoding: 'utf8' });
  const names = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).at(-1)!);
  const versions = Object.entries(symbols).map(([version, kinds]) => [version, Object.values(kinds).flat()] as const);
  const versionOf = (name: string): string | undefined => versions.find(([, all]) => all.includes(name))?.[0];
  const ofNode = names.filter((name) => /^(napi|node|uv)_|v8|4node/.test(name));
  assert.ok(ofNode.length > 20, stdout);
  assert.equal(
    ofNode.filter((name) => !/^v[1-9]$/.test(versionOf(name) ?? '') || /external_(array)?buffer/.test(name)),
    [],
  );
});

test('the notices name all that is shipped, with its licence', () => {
  const stage = join(release, 'stage');
  const main = readFileSync(join(stage, 'rank-distillm/THIRD_PARTY_NOTICES'), 'utf8');
  for (const name of ['node-addon-api', 'node-api-headers', '@observablehq/plot', 'd3-array']) {
    assert.match(main, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(.+\\): `, 'm'));
  }
  assert.match(main, /Permission to use, copy, modify, and\/or distribute this software/);
  const notices = readFileSync(join(stage, `linux-${process.arch}-gnu`, 'THIRD_PARTY_NOTICES'), 'utf8');
  assert.match(notices, /^tokenizers \d+\.\d+\.\d+ \(Apache-2\.0\): /m);
  assert.match(notices, /^libstdc\+\+ and libgcc .* \(GPL-3\.0-or-later WITH GCC-exception-3\.1\): /m);
});

test('the bill of materials names every package that an install brings', () => {
  const { bomFormat, components } = JSON.parse(readFileSync(join(release, 'sbom.cdx.json'), 'utf8')) as {
    bomFormat: string;
    components: { name: string; version: string; licenses?: unknown[] }[];
  };
  assert.is(bomFormat, 'CycloneDX');
  const names = new Set(components.map(({ name }) => name));
  for (const name of Object.keys(manifest.dependencies)) assert.ok(names.has(name), name);
  assert.not(names.has('typescript'));
});

test('the published manifest asks for one engine per platform, of its own version', () => {
  const { version, optionalDependencies, peerDependencies, peerDependenciesMeta, devDependencies, os, cpu } = manifest;
  assert.equal(
    optionalDependencies,
    Object.fromEntries(PLATFORMS.map(({ name }) => [`@rank-distillm/${name}`, version])),
  );
  // npm installs no optional peer, but refuses another version of it
  assert.is(peerDependencies[packageName(GPU)], version);
  assert.equal(peerDependenciesMeta[packageName(GPU)], { optional: true });
  assert.is(devDependencies, undefined);
  assert.equal([os, cpu], [['linux'], ['x64', 'arm64']]);
});

test('a binary that asks for a newer glibc, or for a library, is not packed', () => {
  const gnu = { libc: 'glibc' } as const;
  const elf = { needed: ['libc.so.6', 'libm.so.6'], versions: ['GLIBC_2.2.5', 'GLIBC_2.28'] };
  assert.equal(excesses(elf, gnu), []);
  assert.equal(excesses({ ...elf, versions: ['GLIBC_2.29', 'GLIBC_2.4'] }, gnu), ['it needs GLIBC_2.29']);
  assert.equal(excesses(elf, { libc: 'musl' }), ['it needs GLIBC_2.28']);
  // of somebody else: it links libstdc++
  const tokenizers = readElf(join(root, 'node_modules/tokenizers/tokenizers.linux-x64-gnu.node'));
  assert.equal(excesses(tokenizers, gnu), ['it needs libstdc++.so.6', 'it needs libgcc_s.so.1']);
  assert.equal(excesses(tokenizers, GPU), []);
  const newer = { needed: ['libstdc++.so.6', 'libcuda.so.1'], versions: ['GLIBCXX_3.4.26', 'CXXABI_1.3.11'] };
  assert.equal(excesses(newer, GPU), ['it needs libcuda.so.1', 'it needs GLIBCXX_3.4.26']);
});

test('offline, with nothing but Node.js and npm: install, import, require, a ranking, doctor, 20 steps of fit', () => {
  const { status, output } = script('try-install.mjs');
  if (status !== 0 && /It needs the npm registry once/.test(output)) {
    console.log(`left out: the npm registry does not answer, and ${release} has no cache of it`);
    return;
  }
  assert.is(status, 0, output);
  assert.match(output, /@rank-distillm\/linux-\w+-gnu holds it for this platform/);
  const { worstDifference } = JSON.parse(readFileSync(join(release, 'trial/figures.json'), 'utf8')) as {
    worstDifference: number;
  };
  assert.ok(worstDifference <= 1e-4);
  assert.ok(existsSync(join(release, 'trial/project/trained')));
});

test.run();
