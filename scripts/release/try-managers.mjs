// Installs the tarballs of build/release as npm, pnpm and yarn install a published package: from a registry on loopback that
// has ours and sends all other requests to the public one. Then checks import, require and `rank-distillm doctor`.
// usage: node scripts/release/try-managers.mjs [NAME ...]   (needs the npm registry)
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { root } from '../lib/root.mjs';
import { output, run } from '../lib/run.mjs';
import { giveUp, say, SetupError } from '../lib/say.mjs';
import { platformManifest } from './manifest.mjs';
import { PLATFORMS } from './platforms.mjs';

const release = join(root, 'build/release');
const PUBLIC = 'https://registry.npmjs.org';

/**
 * @typedef {object} Manager
 * @property {string} package of npm that it is, with its version
 * @property {string} program in that package
 * @property {string[]} add what comes before the package's name
 * @property {string} [settings] content of .yarnrc.yml
 * @property {boolean} [runsNode] node is started by it, which knows where packages are
 */

/** @param {'node-modules' | 'pnp'} linker */
const yarnrc = (linker) =>
  `nodeLinker: ${linker}\nenableTelemetry: false\nnpmMinimalAgeGate: 0\nenableImmutableInstalls: false\nunsafeHttpWhitelist: ['127.0.0.1']\n`;

const YARN = { package: '@yarnpkg/cli-dist@4', program: 'bin/yarn.js', add: ['add'] };
const QUIET = ['--no-audit', '--no-fund', '--loglevel=error'];

/** @type {Record<string, Manager>} */
const MANAGERS = {
  npm: { package: 'npm@10', program: 'bin/npm-cli.js', add: ['install', ...QUIET] },
  pnpm: { package: 'pnpm@10', program: 'bin/pnpm.cjs', add: ['add'] },
  'yarn-classic': { package: 'yarn@1', program: 'bin/yarn.js', add: ['add', '--no-lockfile'] },
  'yarn-node-modules': { ...YARN, settings: yarnrc('node-modules') },
  'yarn-pnp': { ...YARN, settings: yarnrc('pnp'), runsNode: true },
};

/** Tarballs by name. A platform that was not packed has one with its manifest alone: yarn asks for all of them. */
async function findArchives() {
  const names = readdirSync(release).filter((name) => name.endsWith('.tgz'));
  if (names.length < 2) throw new SetupError(`${release} has no tarballs`, 'npm run pack:release makes them.');
  const archives = new Map(names.map((name) => [name, join(release, name)]));
  for (const platform of PLATFORMS) {
    const manifest = platformManifest(platform);
    const name = `rank-distillm-${platform.name}-${manifest.version}.tgz`;
    if (archives.has(name)) continue;
    const folder = join(release, 'absent', platform.name);
    mkdirSync(join(folder, 'package'), { recursive: true });
    writeFileSync(join(folder, 'package/package.json'), JSON.stringify(manifest));
    await run('tar', ['-czf', name, 'package'], { what: 'tar', cwd: folder });
    archives.set(name, join(folder, name));
  }
  return archives;
}

/** What a registry says of each package, by name. @param {string} url of the registry @param {Map<string, string>} archives */
function packuments(url, archives) {
  return new Map(
    [...archives].map(([file, path]) => {
      const manifest = JSON.parse(output('tar', ['-xOzf', path, 'package/package.json']) ?? '');
      const { name, version } = manifest;
      const integrity = `sha512-${createHash('sha512').update(readFileSync(path)).digest('base64')}`;
      const versions = { [version]: { ...manifest, dist: { tarball: `${url}/-/${file}`, integrity } } };
      return [name, JSON.stringify({ name, 'dist-tags': { latest: version }, versions })];
    }),
  );
}

async function startRegistry() {
  const archives = await findArchives();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    const ours = known.get(path.slice(1));
    if (ours !== undefined) response.setHeader('content-type', 'application/json').end(ours);
    else if (archives.has(path.slice(3))) createReadStream(archives.get(path.slice(3)) ?? '').pipe(response);
    else if (path.startsWith('/@rank-distillm/')) response.writeHead(404).end('{}');
    else response.writeHead(307, { location: `${PUBLIC}${request.url}` }).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${address.port}`;
  const known = packuments(url, archives);
  return { url, close: () => server.close() };
}

const CHECKS = [
  [
    'import',
    ['--input-type=module', '-e', "import { doctor } from 'rank-distillm'; if (!(await doctor()).ok) process.exit(1);"],
  ],
  ['require', ['-e', "require('rank-distillm').doctor().then(({ ok }) => process.exit(ok ? 0 : 1))"]],
];

/** @param {string} name @param {string} registry */
async function tryManager(name, registry) {
  const manager = MANAGERS[name];
  if (manager === undefined) throw new SetupError(`no manager is called ${name}`, Object.keys(MANAGERS).join(', '));
  const tools = join(release, 'tools', name);
  mkdirSync(tools, { recursive: true });
  writeFileSync(join(tools, 'package.json'), '{ "private": true }');
  await run('npm', ['install', ...QUIET, manager.package], {
    what: `npm install ${manager.package}`,
    cwd: tools,
    quiet: true,
  });
  const at = manager.package.lastIndexOf('@');
  const program = join(tools, 'node_modules', manager.package.slice(0, at), manager.program);
  const folder = join(release, 'managed', name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "name": "project", "private": true }\n');
  if (manager.settings !== undefined) {
    writeFileSync(join(folder, '.yarnrc.yml'), `${manager.settings}npmRegistryServer: ${registry}\n`);
    writeFileSync(join(folder, 'yarn.lock'), ''); // a project of its own, although it is below the checkout
  }
  const env = {
    ...process.env,
    npm_config_registry: registry,
    npm_config_cache: join(folder, 'cache'),
    npm_config_store_dir: join(folder, 'store'),
    YARN_CACHE_FOLDER: join(folder, 'cache'),
    YARN_GLOBAL_FOLDER: join(folder, 'global'),
    RANK_DISTILLM_OFFLINE: '1',
  };
  /** @param {string} what @param {string[]} args */
  const start = (what, args) =>
    run(process.execPath, args, { what: `${name}: ${what}`, cwd: folder, env, quiet: true });
  const begin = performance.now();
  await start('installing rank-distillm', [program, ...manager.add, 'rank-distillm']);
  const seconds = (performance.now() - begin) / 1000;
  for (const [what = '', args = []] of /** @type {[string, string[]][]} */ (CHECKS)) {
    await start(what, manager.runsNode ? [program, 'node', ...args] : args);
  }
  const printed = manager.runsNode
    ? await start('doctor', [program, 'rank-distillm', 'doctor'])
    : await start('doctor', [join(folder, 'node_modules/rank-distillm/dist/cli/main.js'), 'doctor']);
  const { version } = JSON.parse(
    readFileSync(join(tools, 'node_modules', manager.package.slice(0, at), 'package.json'), 'utf8'),
  );
  const engine = /^ok +engine +(.*)$/m.exec(printed)?.[1]?.replace(folder, '');
  say(`${name} (${version}): ${seconds.toFixed(1)} s, ${engine}`);
}

try {
  const registry = await startRegistry();
  const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(MANAGERS);
  for (const name of names) await tryManager(name, registry.url);
  registry.close();
} catch (error) {
  giveUp(error);
}
