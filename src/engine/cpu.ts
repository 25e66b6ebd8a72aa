import { readFileSync, readdirSync } from 'node:fs';

/** What a prebuilt binary may ask of the machine it is loaded on. */
export interface Machine {
  /** `process.platform` and `process.arch`, joined: `linux-x64`. */
  platform: string;
  /** Flags as /proc/cpuinfo spells them; undefined where that file cannot be read. */
  cpuFlags: ReadonlySet<string> | undefined;
  /** Version of the running C library (`2.36`); undefined when it is not glibc. */
  glibc: string | undefined;
  /** Name of another C library than glibc, when there is one. */
  otherLibc: 'musl' | undefined;
}

function readCpuFlags(): ReadonlySet<string> | undefined {
  try {
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
    return flags === undefined ? undefined : new Set(flags.trim().split(/\s+/));
  } catch {
    return undefined;
  }
}

/** Node's report knows the C library it runs on; gathering the rest of the report would ask the network for names. */
function readGlibc(): string | undefined {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime;
  } finally {
    if (before !== undefined) report.excludeNetwork = before;
  }
}

function hasMusl(): boolean {
  try {
    return readdirSync('/lib').some((name) => name.startsWith('ld-musl-'));
  } catch {
    return false;
  }
}

export function thisMachine(): Machine {
  const glibc = readGlibc();
  return {
    platform: `${process.platform}-${process.arch}`,
    cpuFlags: readCpuFlags(),
    glibc,
    otherLibc: glibc === undefined && hasMusl() ? 'musl' : undefined,
  };
}
