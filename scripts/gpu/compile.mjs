// Compiles and links the engine for CUDA where there need be no GPU: sm_80, sm_90 and PTX for what comes after.
// usage: node scripts/gpu/compile.mjs [--torch VERSION] [--architectures LIST]
//   --torch           of the CUDA wheel that is compiled against (fetched once, 500 MB); default: the release we ship with
//   --architectures   as CMake writes them, for example 90; default: 80-real;90
//   --if-at-hand      does nothing, and says so, where nvcc or the wheel is not there yet (CI)
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { dropStaleCache } from '../lib/cmake.mjs';
import { compileCache, cudaLibtorchToCompile } from '../lib/libtorch.mjs';
import { ensureDependencies } from '../lib/npm.mjs';
import { LIBTORCH_VERSION, root } from '../lib/root.mjs';
import { output, run } from '../lib/run.mjs';
import { giveUp, say } from '../lib/say.mjs';
import { checkBuildTools, checkCudaCompiler, nvccVersion } from '../lib/tools.mjs';

/** @param {string} version */
function whatIsLacking(version) {
  if (nvccVersion() === undefined) return 'nvcc is not there';
  const wheel = compileCache(version);
  return existsSync(wheel)
    ? undefined
    : `torch ${version} for CUDA is not in the cache (npm run gpu:compile fetches it)`;
}

try {
  const { values } = parseArgs({
    options: {
      torch: { type: 'string', default: LIBTORCH_VERSION },
      architectures: { type: 'string', default: '80-real;90' },
      'if-at-hand': { type: 'boolean', default: false },
    },
  });
  const lacks = whatIsLacking(values.torch);
  if (values['if-at-hand'] && lacks !== undefined) {
    say(`left out: the engine was not compiled for CUDA, ${lacks}`);
    process.exit(0);
  }
  checkBuildTools();
  checkCudaCompiler();
  await ensureDependencies();
  const torch = await cudaLibtorchToCompile(values.torch);
  const out = join(root, `build/cuda-${values.torch}`);
  const generator = output('ninja', ['--version']) ? ['-G', 'Ninja'] : [];
  const options = [
    '-DRANK_DISTILLM_CUDA=ON',
    `-DRANK_DISTILLM_TORCH=${torch}`,
    `-DCMAKE_CUDA_ARCHITECTURES=${values.architectures}`,
  ];
  dropStaleCache(out, torch);
  await run('cmake', ['-S', root, '-B', out, ...generator, ...options], { what: 'configuring for CUDA', quiet: true });
  say(`compiling for CUDA ${values.architectures} against torch ${values.torch} (minutes the first time)`);
  for (const target of ['rank_distillm', 'rank_distillm_torch', 'cuda_test']) {
    const build = ['--build', out, '--parallel', '--target', target];
    await run('cmake', build, { what: `building ${target} for CUDA`, quiet: true });
  }
  const addon = [join(out, 'Release'), out].map((folder) => join(folder, 'rank_distillm.node')).find(existsSync);
  console.log(addon);
} catch (error) {
  giveUp(error);
}
