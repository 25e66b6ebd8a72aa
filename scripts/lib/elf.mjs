import { closeSync, openSync, readSync } from 'node:fs';

const SHT_DYNAMIC = 6;
const SHT_GNU_VERNEED = 0x6ffffffe;
const DT_NEEDED = 1n;

/**
 * What a shared library asks of the system, read from its sections alone: a library of 400 MB costs a few kilobytes.
 * @param {string} file 64-bit little-endian ELF
 * @returns {{ needed: string[], versions: string[] }} names of libraries, and symbol versions such as GLIBC_2.28
 */
export function readElf(file) {
  const descriptor = openSync(file, 'r');
  try {
    /** @param {number} offset @param {number} size */
    const read = (offset, size) => {
      const buffer = Buffer.alloc(size);
      if (readSync(descriptor, buffer, 0, size, offset) !== size)
        throw new Error(`${file}: ends too early for an ELF file`);
      return buffer;
    };
    const header = read(0, 64);
    if (header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1)
      throw new Error(`${file}: not a 64-bit ELF file`);
    const entrySize = header.readUInt16LE(58);
    const table = read(Number(header.readBigUInt64LE(40)), entrySize * header.readUInt16LE(60));
    const sections = Array.from({ length: table.length / entrySize }, (_, i) => {
      const at = i * entrySize;
      return {
        type: table.readUInt32LE(at + 4),
        offset: Number(table.readBigUInt64LE(at + 24)),
        size: Number(table.readBigUInt64LE(at + 32)),
        link: table.readUInt32LE(at + 40),
        info: table.readUInt32LE(at + 44),
      };
    });
    /** @param {number} type */
    const find = (type) => {
      const section = sections.find((each) => each.type === type);
      const names = section && sections[section.link];
      if (!section || !names) return undefined;
      const strings = read(names.offset, names.size);
      /** @param {number} at */
      const text = (at) => strings.toString('latin1', at, strings.indexOf(0, at));
      return { bytes: read(section.offset, section.size), count: section.info, text };
    };

    const needed = [];
    const dynamic = find(SHT_DYNAMIC);
    for (let at = 0; dynamic && at < dynamic.bytes.length; at += 16) {
      if (dynamic.bytes.readBigUInt64LE(at) === DT_NEEDED)
        needed.push(dynamic.text(Number(dynamic.bytes.readBigUInt64LE(at + 8))));
    }

    const versions = [];
    const verneed = find(SHT_GNU_VERNEED);
    for (let at = 0, left = verneed?.count ?? 0; verneed && left > 0; left--) {
      let entry = at + verneed.bytes.readUInt32LE(at + 8);
      for (let entries = verneed.bytes.readUInt16LE(at + 2); entries > 0; entries--) {
        versions.push(verneed.text(verneed.bytes.readUInt32LE(entry + 8)));
        entry += verneed.bytes.readUInt32LE(entry + 12);
      }
      at += verneed.bytes.readUInt32LE(at + 12);
    }
    return { needed, versions };
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The newest version of a family among symbol versions: `newest(['GLIBC_2.4', 'GLIBC_2.28'], 'GLIBC')` is `2.28`.
 * @param {string[]} versions
 * @param {string} family
 */
export function newest(versions, family) {
  const found = versions.filter((each) => each.startsWith(`${family}_`) && /^\d/.test(each.slice(family.length + 1)));
  found.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return found.at(-1)?.slice(family.length + 1) ?? '0';
}
