import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Machine } from './cpu.js';

/** Written beside the binary by the build; see scripts/lib/requirements.mjs. */
const schema = z.object({
  platform: z.string(),
  arch: z.string(),
  /** Newest version of the C library that the binary and its libraries ask for. */
  glibc: z.string(),
  /** The same of libstdc++, as in GLIBCXX_3.4.30. */
  libstdcxx: z.string(),
  /** Flags without which the binary would die of an illegal instruction. */
  cpuFlags: z.array(z.string()),
  libtorch: z.string(),
});

export type BinaryRequirements = z.infer<typeof schema>;

/** What the binary needs; undefined when nobody noted it (a build by hand), a reason when the note is unusable. */
export function readRequirements(binary: string): BinaryRequirements | undefined {
  const file = join(dirname(binary), 'requirements.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return schema.parse(JSON.parse(text));
}

/** Compares versions number by number: 2.9 is older than 2.36. */
function isOlder(version: string, than: string): boolean {
  const [left, right] = [version.split('.').map(Number), than.split('.').map(Number)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Everything the machine lacks, in words; empty when the binary may be loaded. */
export function whatIsLacking(needs: BinaryRequirements, machine: Machine): string[] {
  const platform = `${needs.platform}-${needs.arch}`;
  if (platform !== machine.platform) return [`it is built for ${platform}, this is ${machine.platform}`];
  const lacking: string[] = [];
  if (machine.otherLibc !== undefined) {
    lacking.push(`it needs glibc ${needs.glibc} or newer, this system's C library is ${machine.otherLibc}`);
  } else if (machine.glibc !== undefined && isOlder(machine.glibc, needs.glibc)) {
    lacking.push(`it needs glibc ${needs.glibc} or newer, this is ${machine.glibc}`);
  }
  const { cpuFlags } = machine;
  const missing = cpuFlags === undefined ? [] : needs.cpuFlags.filter((flag) => !cpuFlags.has(flag));
  if (missing.length > 0) lacking.push(`it needs a CPU with ${missing.join(', ')}, which this one has not`);
  return lacking;
}
