import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { withLock } from '../lib/lock.mjs';
import { output, run } from '../lib/run.mjs';
import { say, SetupError } from '../lib/say.mjs';
import { emulatorFolder } from './emulator.mjs';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const SOURCE = `deb [signed-by=${KEYRING}] http://deb.debian.org/debian trixie main\n`;
/** The smallest of Debian's kernels. It supports AMX and has the machine's drivers built in. */
const PACKAGE = 'linux-image-cloud-amd64';

/**
 * @typedef {{ file: string, address: number, entry: number, setupHeader: Buffer }} Kernel
 * `file` is the kernel's memory image, which begins at `address`; `setupHeader` is its header for boot loaders.
 */

/**
 * Options for an apt with separate sources and state: it does not change the system and needs no root.
 * @param {string} folder
 */
function aptOptions(folder) {
  const state = join(folder, 'state');
  const cache = join(folder, 'cache');
  for (const each of [join(state, 'lists', 'partial'), join(cache, 'archives', 'partial')])
    mkdirSync(each, { recursive: true });
  const list = join(folder, 'sources.list');
  writeFileSync(list, SOURCE);
  return [
    `Dir::State=${state}`,
    'Dir::State::status=/dev/null',
    `Dir::Cache=${cache}`,
    `Dir::Etc::sourcelist=${list}`,
    'Dir::Etc::sourceparts=-',
    'Acquire::Languages=none',
    'APT::Architecture=amd64',
    'APT::Sandbox::User=root', // the user _apt may not write to a home folder
  ].flatMap((option) => ['-o', option]);
}

/** @param {string} work a folder that the caller removes @returns {Promise<string>} the package */
async function downloadPackage(work) {
  if (!output('apt-get', ['--version']) || !output('dpkg-deb', ['--version']) || !existsSync(KEYRING)) {
    throw new SetupError(
      'the emulator gets its Linux kernel from Debian with apt-get, dpkg-deb and debian-archive-keyring; one is missing',
      'Run this on Debian, or on Ubuntu with: sudo apt-get install debian-archive-keyring',
    );
  }
  const options = aptOptions(join(work, 'apt'));
  const hint = 'Check the network and access to deb.debian.org.';
  say("fetching Debian's kernel");
  await run('apt-get', [...options, 'update', '--error-on=any'], {
    what: 'reading the package lists',
    hint,
    quiet: true,
  });
  const about = output('apt-cache', [...options, 'show', '--no-all-versions', PACKAGE]) ?? '';
  const name = /^Depends: (linux-image-[\w.+-]+)/m.exec(about)?.[1];
  if (!name) throw new SetupError(`Debian has no package ${PACKAGE} that names a kernel`, hint);
  await run('apt-get', [...options, 'download', name], { what: `downloading ${name}`, hint, cwd: work, quiet: true });
  const file = readdirSync(work).find((each) => each.endsWith('.deb'));
  if (!file) throw new Error(`apt-get left no package in ${work}`);
  return join(work, file);
}

/** One member of an ar archive. @param {string} name @param {Uint8Array} data */
function member(name, data) {
  const fields = [name.padEnd(16), '0'.padEnd(12), '0'.padEnd(6), '0'.padEnd(6), '100644'.padEnd(8)];
  const header = `${fields.join('')}${String(data.length).padEnd(10)}\`\n`;
  return Buffer.concat([Buffer.from(header), data, Buffer.alloc(data.length % 2, '\n')]);
}

/**
 * Decompresses the kernel, which in the emulator would take longer than the rest of the boot. dpkg-deb does it if the
 * kernel is wrapped as a package's contents; Node.js 20 and a bare Debian have no other zstd decoder.
 * @param {Buffer} image bzImage
 * @param {string} work
 */
async function decompress(image, work) {
  const from = (image.readUInt8(0x1f1) + 1) * 512 + image.readUInt32LE(0x248);
  const payload = image.subarray(from, from + image.readUInt32LE(0x24c) - 4); // its size follows it
  const suffix = { '28b52ffd': '.zst', fd377a58: '.xz', '1f8b0800': '.gz' }[payload.toString('hex', 0, 4)];
  if (!suffix) throw new Error('the kernel is compressed in a way that dpkg-deb does not know');
  const parts = [member('debian-binary', Buffer.from('2.0\n')), member('control.tar', Buffer.alloc(0))];
  const packed = join(work, 'kernel.deb');
  writeFileSync(packed, Buffer.concat([Buffer.from('!<arch>\n'), ...parts, member(`data.tar${suffix}`, payload)]));
  const unpacked = join(work, 'vmlinux');
  const script = 'dpkg-deb --fsys-tarfile "$1" >"$2"';
  await run('sh', ['-c', script, 'sh', packed, unpacked], { what: 'decompressing the kernel' });
  return readFileSync(unpacked);
}

/** Builds the memory image of an ELF program. @param {Buffer} elf */
function layOut(elf) {
  const segments = Array.from({ length: elf.readUInt16LE(0x38) }, (_, i) => {
    const at = Number(elf.readBigUInt64LE(0x20)) + i * elf.readUInt16LE(0x36);
    const [offset, , address, size] = [8, 16, 24, 32].map((field) => Number(elf.readBigUInt64LE(at + field)));
    return { type: elf.readUInt32LE(at), offset: offset ?? 0, address: address ?? 0, size: size ?? 0 };
  }).filter(({ type }) => type === 1);
  const address = Math.min(...segments.map((each) => each.address));
  const memory = Buffer.alloc(Math.max(...segments.map((each) => each.address + each.size)) - address);
  for (const each of segments) elf.copy(memory, each.address - address, each.offset, each.offset + each.size);
  return { memory, address, entry: Number(elf.readBigUInt64LE(0x18)) };
}

/** Downloads Debian's kernel and builds its memory image, once. @returns {Promise<Kernel>} */
export async function ensureKernel() {
  const folder = join(emulatorFolder(), 'kernel');
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(folder)) return;
    const work = mkdtempSync(`${folder}-`);
    try {
      const archive = await downloadPackage(work);
      await run('dpkg-deb', ['-x', archive, join(work, 'package')], { what: 'unpacking the kernel' });
      const boot = join(work, 'package', 'boot');
      const name = readdirSync(boot).find((each) => each.startsWith('vmlinuz-'));
      if (!name) throw new Error(`${archive} holds no kernel`);
      const image = readFileSync(join(boot, name));
      const { memory, address, entry } = layOut(await decompress(image, work));
      const result = join(work, 'result');
      mkdirSync(result);
      writeFileSync(join(result, 'memory'), memory);
      writeFileSync(join(result, 'setup-header'), image.subarray(0x1f1, 0x202 + image.readUInt8(0x201)));
      writeFileSync(join(result, 'about.json'), JSON.stringify({ name, address, entry }));
      renameSync(result, folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
  const about = /** @type {{ address: number, entry: number }} */ (
    JSON.parse(readFileSync(join(folder, 'about.json'), 'utf8'))
  );
  return { file: join(folder, 'memory'), setupHeader: readFileSync(join(folder, 'setup-header')), ...about };
}
