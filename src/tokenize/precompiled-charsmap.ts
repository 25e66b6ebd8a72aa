/** A published one has 240 kB (sentencepiece's nmt_nfkc). */
const MOST_BYTES = 4 * 2 ** 20;
/** The longest replacement of nmt_nfkc has 33 bytes; each can stand for one character of a text. */
const LONGEST_REPLACEMENT = 40;

/**
 * Checks sentencepiece's normalization rules (`precompiled_charsmap`), which the tokenizers library follows without
 * bounds checks: a damaged file makes it panic at texts that reach the damage. The bytes are the trie's length, the
 * trie (darts-clone: 32-bit units, transitions by XOR) and the replacements, each ended by NUL.
 *
 * @returns what is wrong; undefined for a sound one
 */
export function charsmapFault(base64: string): string | undefined {
  if (base64.length > 2 * MOST_BYTES) return `has ${base64.length} characters, too many`;
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) return 'is not base64';
  const trieBytes = bytes.length < 8 ? 0 : bytes.readUInt32LE(0);
  if (trieBytes === 0 || trieBytes % 4 !== 0 || trieBytes > bytes.length - 4)
    return 'has no trie of the size it states';
  const replacements = bytes.subarray(4 + trieBytes);
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(replacements);
  } catch {
    return 'has replacements that are not UTF-8';
  }
  return trieFault(bytes.subarray(4, 4 + trieBytes), replacements);
}

function trieFault(trie: Buffer, replacements: Buffer): string | undefined {
  const units = trie.length / 4;
  for (let i = 0; i < units; i++) {
    const unit = trie.readUInt32LE(4 * i);
    if (unit >>> 31 !== 0) continue; // a value: the library stops there
    // children are at the offset XOR a byte
    const children = i ^ ((unit >>> 10) << ((unit & 0x200) >>> 6));
    if (children < 0 || (children | 0xff) >= units) return `leaves the trie at unit ${i}`;
    if ((unit & 0x100) === 0) continue;
    const start = trie.readUInt32LE(4 * children) & 0x7fffffff;
    const end = replacements.indexOf(0, start);
    const length = (end < 0 ? replacements.length : end) - start;
    const splitsCharacter = start < replacements.length && (replacements[start]! & 0xc0) === 0x80;
    if (length < 0 || length > LONGEST_REPLACEMENT || splitsCharacter) return `has no replacement for unit ${i}`;
  }
  return undefined;
}
