// Installs the tarballs of build/release in an empty folder, without a network and with nothing but Node.js and npm on PATH,
// and uses them there (trial/trial.mjs): import, require, a ranking, doctor, 20 steps of training. Prints times and sizes.
// usage: node scripts/release/try-install.mjs [--node FILE] [--debian SUITE] [--musl] [--arm64] [--rivals]
//   --node FILE     another Node.js than this one
//   --debian SUITE  in a bare Debian of that release, which debootstrap makes: bullseye (11) has glibc 2.31. As root
//   --musl          in a root with musl and busybox alone, with Node.js for musl from PyPI, where Alpine has the like. As root
//   --arm64         the engine for arm64, under qemu-user; --node is an arm64 program. With --debian, in an arm64 Debian
//   --rivals        also installs other packages that run models, from the registry, and prints their sizes and times
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { filesBelow } from '../lib/hash.mjs';
import { root } from '../lib/root.mjs';
import { run } from '../lib/run.mjs';
import { giveUp, say } from '../lib/say.mjs';
import {
  bareDebian,
  bareMusl,
  copyNpm,
  MUSL_NODE,
  programOnPath,
  release,
  tarballs,
  warmCache,
} from './trial-root.mjs';

const MODEL = join(root, 'test/golden/references/mono-electra');
const RIVALS = ['onnxruntime-node', '@huggingface/transformers', 'node-llama-cpp'];

/** Bytes of all files below a folder. @param {string} folder */
const bytesOf = (folder) => filesBelow(folder).reduce((sum, file) => sum + statSync(file).size, 0);

/** The folder that trial.mjs runs in. @param {string} folder @param {string} engine name of the platform */
async function prepare(folder, engine) {
  const needed = tarballs(engine);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of needed) cpSync(join(release, name), join(folder, name));
  cpSync(await warmCache(), join(folder, 'cache'), { recursive: true });
  copyNpm(join(folder, 'npm'));
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

/**
 * Packages of others, as npm installs them: their size, and the seconds of an install from npm's cache and of an import. A
 * first score takes longer by the load of a model.
 */
async function tryRivals() {
  const found = [];
  for (const name of RIVALS) {
    const folder = join(release, 'rivals', name.replace('/', '-'));
    const modules = join(folder, 'node_modules');
    // Without its install script, which may download more.
    const install = async (/** @type {string[]} */ ...more) => {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'package.json'), '{ "private": true }');
      const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...more, name];
      await run('npm', args, { what: `npm install ${name}`, cwd: folder, quiet: true });
    };
    say(`installing ${name}`);
    await install();
    const start = performance.now();
    await install('--offline');
    const importing = ['--input-type=module', '-e', `await import('${name}'); process.exit();`];
    await run(process.execPath, importing, { what: `import of ${name}`, cwd: folder, quiet: true });
    const seconds = (performance.now() - start) / 1000;
    const { version } = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'));
    found.push({ name: `${name} ${version}`, bytes: bytesOf(modules), seconds });
  }
  return found;
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
    for (const { name, bytes, seconds } of await tryRivals()) {
      addSize(`${name}, with what it needs`, bytes);
      rows.push([`${name}, npm install offline and import`, `${seconds.toFixed(1)} s`]);
    }
  }
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) console.log(`${name.padEnd(width)}  ${value}`);
} catch (error) {
  giveUp(error);
}
