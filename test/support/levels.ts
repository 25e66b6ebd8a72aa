/** Levels of instruction sets, the lowest first: flags of /proc/cpuinfo that each needs beside those of the levels before it. */
export const LEVELS: Readonly<Record<string, readonly string[]>> =
  process.arch === 'arm64'
    ? {
        neon: [],
        neon_dotprod: ['asimddp'],
        neon_bf16: ['bf16'],
      }
    : {
        generic: [],
        avx2: ['avx2'],
        avx512: ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl'],
        avx512_vnni: ['avx512_vnni'],
        avx512_bf16: ['avx512_bf16'],
        amx: ['amx_tile', 'amx_bf16', 'amx_int8'],
      };

/** The environment of a process in which the CPU seems to have no more than a level needs. */
export function environmentOf(level: string): NodeJS.ProcessEnv {
  const names = Object.keys(LEVELS);
  const features = names.slice(0, names.indexOf(level) + 1).flatMap((name) => LEVELS[name]!);
  return { ...process.env, RANK_DISTILLM_CPU_FEATURES: features.join(',') || 'none' };
}
