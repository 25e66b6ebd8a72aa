import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hashOf } from '../lib/hash.mjs';
import { run } from '../lib/run.mjs';
import { emulatorFolder } from './emulator.mjs';

const MEBIBYTE = 1 << 20;
const MEMORY_MIB = 1024;
/** The emulator's approximate speed, so that time passes in the machine about as fast as outside. */
const INSTRUCTIONS_PER_SECOND = 150_000_000;

/** Addresses of the kernel's inputs. */
const BOOT_PARAMETERS = 0x10000;
const COMMAND_LINE = BOOT_PARAMETERS + 0x1000;
const PAGE_TABLES = COMMAND_LINE + 0x1000;
const INITRAMFS = 128 * MEBIBYTE;

const KERNEL_ARGUMENTS = [
  'console=ttyS1,115200 quiet',
  'acpi=off pci=off', // there is no BIOS to set them up
  'tsc=unstable', // the CPU models report another clock rate than the emulator's; the PIT is right
  'reboot=t panic=-1', // shuts down by a triple fault, which ends the emulator
  // The rest halves the boot time.
  'nokaslr mitigations=off init_on_alloc=0 cryptomgr.notests',
  'initcall_blacklist=jent_mod_init,load_system_certificate_list,trace_eval_init,bpf_tcp_ca_kfunc_init',
].join(' ');

/** A cpio archive in the format that the kernel unpacks. @param {{ name: string, mode: number, data?: Buffer }[]} files */
function cpio(files) {
  const parts = [];
  for (const [i, { name, mode, data = Buffer.alloc(0) }] of [...files, { name: 'TRAILER!!!', mode: 0 }].entries()) {
    const path = Buffer.from(`${name}\0`);
    const fields = [i + 1, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, path.length, 0];
    const header = Buffer.from(`070701${fields.map((each) => each.toString(16).padStart(8, '0')).join('')}`);
    parts.push(header, path, Buffer.alloc(-(header.length + path.length) & 3), data, Buffer.alloc(-data.length & 3));
  }
  return Buffer.concat(parts);
}

/**
 * The parameters that a boot loader would pass to the kernel, its command line, and page tables that identity-map 4 GiB.
 * @param {import('./kernel.mjs').Kernel} kernel
 * @param {number} initramfsSize
 */
function bootParameters(kernel, initramfsSize) {
  const page = Buffer.alloc(PAGE_TABLES - BOOT_PARAMETERS + 0x2000);
  kernel.setupHeader.copy(page, 0x1f1);
  page.writeUInt8(0xff, 0x210); // a boot loader without an assigned number
  page.writeUInt32LE(INITRAMFS, 0x218);
  page.writeUInt32LE(initramfsSize, 0x21c);
  page.writeUInt32LE(COMMAND_LINE, 0x228);
  const usable = [
    { from: 0, to: 0x9f000 },
    { from: MEBIBYTE, to: MEMORY_MIB * MEBIBYTE },
  ];
  page.writeUInt8(usable.length, 0x1e8);
  usable.forEach(({ from, to }, i) => {
    page.writeBigUInt64LE(BigInt(from), 0x2d0 + i * 20);
    page.writeBigUInt64LE(BigInt(to - from), 0x2d8 + i * 20);
    page.writeUInt32LE(1, 0x2e0 + i * 20);
  });
  page.write(KERNEL_ARGUMENTS, COMMAND_LINE - BOOT_PARAMETERS, 'latin1');
  const tables = PAGE_TABLES - BOOT_PARAMETERS;
  page.writeBigUInt64LE(BigInt(PAGE_TABLES + 0x1000 + 0b11), tables); // present, writable
  for (let i = 0; i < 4; i++) page.writeBigUInt64LE(BigInt(i * 2 ** 30 + 0b10000011), tables + 0x1000 + i * 8); // 1 GiB
  return page;
}

/**
 * Builds the machine's init process and the replacement for its BIOS, once.
 * @param {import('./kernel.mjs').Kernel} kernel
 */
async function ensurePrograms({ entry }) {
  const sources = { init: join(import.meta.dirname, 'init.c'), boot: join(import.meta.dirname, 'boot.S') };
  const key = hashOf(Object.values(sources), [String(entry), String(BOOT_PARAMETERS)]).slice(0, 12);
  const folder = join(emulatorFolder(), `programs-${key}`);
  if (!existsSync(folder)) {
    const hint = 'A compiler and binutils are needed: sudo apt-get install gcc libc6-dev';
    mkdirSync(emulatorFolder(), { recursive: true });
    const work = mkdtempSync(`${folder}-`);
    const init = ['-O2', '-Wall', '-static', sources.init, '-o', join(work, 'init')];
    await run('gcc', init, { what: 'compiling init.c', hint, quiet: true });
    const symbols = Object.entries({ BOOT_PARAMETERS, PAGE_TABLES, ENTRY: entry });
    const boot = ['--32', ...symbols.flatMap(([name, value]) => ['--defsym', `${name}=${value}`])];
    const object = join(work, 'boot.o');
    await run('as', [...boot, sources.boot, '-o', object], { what: 'assembling boot.S', hint, quiet: true });
    const link = ['-m', 'elf_i386', '-Ttext', '0xffff0000', '--oformat', 'binary', object, '-o', join(work, 'rom')];
    await run('ld', link, { what: 'linking boot.S', hint, quiet: true });
    try {
      renameSync(work, folder);
    } catch {
      rmSync(work, { recursive: true, force: true }); // another process was faster
    }
  }
  return { init: join(folder, 'init'), rom: join(folder, 'rom') };
}

/**
 * Writes a machine's configuration and the files it refers to into a folder.
 * @param {string} folder
 * @param {{ cpu: string, kernel: import('./kernel.mjs').Kernel, binary: string, args: string[] }} options
 * @returns {Promise<{ config: string, output: string, report: string, log: string }>} `output` is the binary's output,
 * `report` that of the kernel and of init.c
 */
export async function writeMachine(folder, { cpu, kernel, binary, args }) {
  const { init, rom } = await ensurePrograms(kernel);
  const directory = 0o40755;
  const initramfs = cpio([
    ...['dev', 'proc', 'sys'].map((name) => ({ name, mode: directory })),
    { name: 'tmp', mode: 0o41777 },
    { name: 'init', mode: 0o100755, data: readFileSync(init) },
    { name: 'test', mode: 0o100755, data: readFileSync(binary) },
    { name: 'arguments', mode: 0o100644, data: Buffer.from([basename(binary), ...args, ''].join('\0')) },
  ]);
  const file = (/** @type {string} */ name) => join(folder, name);
  writeFileSync(file('initramfs'), initramfs);
  writeFileSync(file('parameters'), bootParameters(kernel, initramfs.length));
  writeFileSync(file('vga'), Buffer.alloc(512)); // Bochs requires a ROM; nothing runs it
  writeFileSync(
    file('bochsrc'),
    `config_interface: textconfig
display_library: nogui, options="hideIPS"
cpu: model=${cpu}, ips=${INSTRUCTIONS_PER_SECOND}, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=${MEMORY_MIB}, host=${MEMORY_MIB}
romimage: file="${rom}"
vgaromimage: file="${file('vga')}"
optramimage1: file="${file('parameters')}", address=${BOOT_PARAMETERS}
optramimage2: file="${kernel.file}", address=${kernel.address}
optramimage3: file="${file('initramfs')}", address=${INITRAMFS}
com1: enabled=1, mode=file, dev="${file('output')}"
com2: enabled=1, mode=file, dev="${file('report')}"
log: "${file('log')}"
panic: action=fatal
error: action=ignore
info: action=ignore
`,
  );
  return { config: file('bochsrc'), output: file('output'), report: file('report'), log: file('log') };
}
