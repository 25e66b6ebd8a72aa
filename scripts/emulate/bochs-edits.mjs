import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What Bochs 3.0 needs before AMX works in it under Linux. `find` occurs `times` times in the file.
 * @type {{ file: string, find: string, replace: string, times?: number }[]}
 */
const EDITS = [];

/** @param {string} file @param {string} find @param {string} replace @param {number} [times] */
const edit = (file, find, replace, times = 1) => EDITS.push({ file, find, replace, times });

// Linux offers AMX only on a processor with extended feature disable (XFD): the first use of a tile by a process ends in
// a device-not-available fault, at which the kernel makes room for its tiles. Bochs does not have XFD.
edit('cpu/cpuid.cc', 'leaf->eax |= (1<<3);', 'leaf->eax |= (1<<3) | (is_cpu_extension_supported(BX_ISA_AMX) << 4);');
edit(
  'cpu/cpuid.cc',
  'leaf->ecx = (cpu->ia32_xss_suppmask & (1 << subfunction)) != 0;',
  'leaf->ecx = ((cpu->ia32_xss_suppmask & (1 << subfunction)) != 0) | ((subfunction == 18) << 2);',
);
edit('cpu/cpu.h', 'Bit64u ia32_xss;', 'Bit64u ia32_xss, ia32_xfd, ia32_xfd_error;');
edit(
  'cpu/init.cc',
  'BX_CPU_THIS_PTR msr.ia32_xss = 0;',
  '$&\n  BX_CPU_THIS_PTR msr.ia32_xfd = BX_CPU_THIS_PTR msr.ia32_xfd_error = 0;',
);
edit(
  'cpu/msr.cc',
  'BX_CPU_C::handle_unknown_rdmsr(Bit32u index, Bit64u *msr)\n{\n',
  `$&  if (index == BX_MSR_IA32_XFD) return *msr = BX_CPU_THIS_PTR msr.ia32_xfd, true;
  if (index == BX_MSR_IA32_XFD_ERROR) return *msr = BX_CPU_THIS_PTR msr.ia32_xfd_error, true;
`,
);
edit(
  'cpu/msr.cc',
  'BX_CPU_C::handle_unknown_wrmsr(Bit32u index, Bit64u val_64)\n{\n',
  `$&  if (index == BX_MSR_IA32_XFD) return BX_CPU_THIS_PTR msr.ia32_xfd = val_64, true;
  if (index == BX_MSR_IA32_XFD_ERROR) return BX_CPU_THIS_PTR msr.ia32_xfd_error = val_64, true;
`,
);
edit(
  'cpu/avx/amx.cc',
  'BX_CPU_C::check_tile(bxInstruction_c *i, unsigned tile_num)\n{\n',
  `$&  if (BX_CPU_THIS_PTR msr.ia32_xfd & (1 << 18)) {
    BX_CPU_THIS_PTR msr.ia32_xfd_error |= 1 << 18;
    exception(BX_NM_EXCEPTION, 0);
  }
`,
);
edit('cpu/avx/amx.cc', 'BX_CPU_C::TILEZERO_Tnnn(bxInstruction_c *i)\n{\n', '$&  check_tile(i, i->dst());\n');

// A process that was interrupted got its tiles back with rows and columns swapped, their lower halves lost, or none.
edit(
  'cpu/xsave.cc',
  'vmm16u(8+n)    = BX_CPU_THIS_PTR amx->tilecfg[n].rows;',
  'vmm16u(8+n) = BX_CPU_THIS_PTR amx->tilecfg[n].bytes_per_row;',
);
edit(
  'cpu/xsave.cc',
  'vmmubyte(48+n) = BX_CPU_THIS_PTR amx->tilecfg[n].bytes_per_row;',
  'vmmubyte(48+n) = BX_CPU_THIS_PTR amx->tilecfg[n].rows;',
);
edit('cpu/xsave.cc', 'row < BX_TILE_REGISTERS', 'row < BX_TILE_MAX_ROWS', 2);
edit('cpu/xsave.cc', 'tile_use_tracker == 0', 'tile_use_tracker != 0');

// A decoded instruction lies up to 128 places from where a write to its address looked for it: with AMX enabled, code that
// changed was not decoded anew, and Linux, which changes its own while it boots, crashed.
edit('cpu/icache.h', 'if (line_mask > mask) break;', 'if ((line_mask >> 1) > mask) break;');

// Bytes were multiplied as unsigned where the instruction says signed.
edit(
  'cpu/avx/amx.cc',
  '// AMX-INT8 //',
  `template <typename X, typename Y> static Bit32u dot_product(Bit32u x, Bit32u y)
{
  Bit32u sum = 0;
  for (int shift = 0; shift < 32; shift += 8) sum += Bit32s(X(x >> shift)) * Bit32s(Y(y >> shift));
  return sum;
}
`,
);
for (const [name, x, y] of [
  ['DPBDSS', 'Bit8s', 'Bit8s'],
  ['DPBDSU', 'Bit8s', 'Bit8u'],
  ['DPBDUS', 'Bit8u', 'Bit8s'],
])
  edit('cpu/avx/amx.cc', `${name}(Bit32u x, Bit32u y)\n{\n`, `$&  return dot_product<${x}, ${y}>(x, y);\n`);

// STTILECFG was an undefined instruction.
edit(
  'cpu/decoder/fetchdecode_opmap_avx.cc',
  'ATTR_VEX_W1 | ATTR_VL128 | ATTR_MOD_MEM | ATTR_IS64, BX_IA_STTILECFG',
  'ATTR_VEX_W0 | ATTR_VL128 | ATTR_MOD_MEM | ATTR_IS64, BX_IA_STTILECFG',
);

// Memory in one piece, so that a file can be loaded into it in one piece.
edit('memory/memory_stub.cc', 'if (0) {', 'if (host == guest) {');

/**
 * Changes the unpacked source; fails where it is not what the edits were written for.
 * @param {string} folder
 */
export function editBochs(folder) {
  for (const { file, find, replace, times } of EDITS) {
    const path = join(folder, file);
    const text = readFileSync(path, 'utf8');
    const found = text.split(find).length - 1;
    if (found !== times) throw new Error(`${path}: found ${found} times instead of ${times}: ${find}`);
    writeFileSync(path, text.replaceAll(find, replace));
  }
}
