import { createRequire } from 'node:module';
import { dirname } from 'node:path';

const require = createRequire(import.meta.url);

/** The version of glibc that runs; undefined with another C library (musl). */
export function runningGlibc(): string | undefined {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime;
}

let name: string | undefined;

/**
 * The npm package that holds the compiled parts for this machine, for example `@rank-distillm/linux-x64-gnu`. A release has it
 * as an optional dependency; a checkout does without.
 */
export function platformPackage(): string {
  if (name === undefined) {
    const libc = process.platform !== 'linux' ? '' : runningGlibc() === undefined ? '-musl' : '-gnu';
    name = `@rank-distillm/${process.platform}-${process.arch}${libc}`;
  }
  return name;
}

/** The path of a file of that package; undefined where it is not installed. */
export function platformFile(file: string): string | undefined {
  try {
    return require.resolve(`${platformPackage()}/${file}`);
  } catch {
    return undefined;
  }
}

/** The package with the engine for NVIDIA GPUs, which is installed by those who have one. */
export const GPU_PACKAGE = `@rank-distillm/${process.platform}-${process.arch}-cuda`;

/** The folder of that package; undefined where it is not installed. */
export function gpuPackageFolder(): string | undefined {
  try {
    return dirname(require.resolve(`${GPU_PACKAGE}/package.json`));
  } catch {
    return undefined;
  }
}
