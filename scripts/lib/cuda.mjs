import { dropStaleCache } from './cmake.mjs';
import { cudaLibtorchToCompile } from './libtorch.mjs';
import { root } from './root.mjs';
import { output, run } from './run.mjs';
import { say } from './say.mjs';
import { checkBuildTools, checkCudaCompiler } from './tools.mjs';

/** 90: its machine code, and PTX for all later ones. */
export const ARCHITECTURES = '80-real;90';

/**
 * Compiles for CUDA where there need be no GPU, against the wheel of torch.
 *
 * @param {{ torch: string, architectures?: string | undefined, out: string, targets: string[], options?: string[] }} build `torch`: the
 *   version of the wheel; `options`: more for CMake, as `NAME=VALUE`
 * @returns {Promise<string>} LibTorch's folder
 */
export async function compileForCuda({ torch: version, architectures = ARCHITECTURES, out, targets, options = [] }) {
  checkBuildTools();
  checkCudaCompiler();
  const torch = await cudaLibtorchToCompile(version);
  const generator = output('ninja', ['--version']) ? ['-G', 'Ninja'] : [];
  const defines = [
    'RANK_DISTILLM_CUDA=ON',
    `RANK_DISTILLM_TORCH=${torch}`,
    `CMAKE_CUDA_ARCHITECTURES=${architectures}`,
    ...options,
  ].map((define) => `-D${define}`);
  dropStaleCache(out, torch);
  await run('cmake', ['-S', root, '-B', out, ...generator, ...defines], { what: 'configuring for CUDA', quiet: true });
  say(`compiling for CUDA ${architectures} against torch ${version} (minutes the first time)`);
  for (const target of targets) {
    const build = ['--build', out, '--parallel', '--target', target];
    await run('cmake', build, { what: `building ${target} for CUDA`, quiet: true });
  }
  return torch;
}
