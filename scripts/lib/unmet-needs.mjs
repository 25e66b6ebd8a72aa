import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @param {string} version @param {string} needed */
const isOlder = (version, needed) => version.localeCompare(needed, 'en', { numeric: true }) < 0;

/**
 * What this machine lacks to run the addon of a folder, by the same rules as src/engine/load-binding.ts, which is not
 * compiled yet. Undefined when its requirements.json says nothing of use.
 * @param {string} folder
 * @returns {string[] | undefined}
 */
export function unmetNeeds(folder) {
  try {
    const needs = /** @type {{ platform: string, arch: string, glibc: string, cpuFlags: string[] }} */ (
      JSON.parse(readFileSync(join(folder, 'requirements.json'), 'utf8'))
    );
    const unmet = [];
    if (needs.platform !== process.platform || needs.arch !== process.arch) {
      unmet.push(`it is for ${needs.platform} ${needs.arch}`);
    }
    const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
    const glibc = header.glibcVersionRuntime;
    if (glibc === undefined || isOlder(glibc, needs.glibc)) {
      unmet.push(`it needs glibc ${needs.glibc}, this system has ${glibc ?? 'another C library'}`);
    }
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(/\s+/);
    const missing = flags ? needs.cpuFlags.filter((flag) => !flags.includes(flag)) : [];
    if (missing.length > 0) unmet.push(`the CPU lacks ${missing.join(', ')}`);
    return unmet;
  } catch {
    return undefined;
  }
}
