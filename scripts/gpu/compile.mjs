// Compiles and links the engine for CUDA where there need be no GPU: sm_80, sm_90 and PTX for what comes after.
// usage: node scripts/gpu/compile.mjs [--torch VERSION] [--architectures LIST]
//   --torch           of the CUDA wheel that is compiled against (fetched once, 500 MB); default: the release we ship with
//   --architectures   as CMake writes them, for example 90; default: 80-real;90
//   --if-at-hand      does nothing, and says so, where nvcc or the wheel is not there yet (CI)
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ADDON_NAME } from '../lib/addon.mjs';
import { ARCHITECTURES, compileForCuda } from '../lib/cuda.mjs';
import { compileCache, LIBTORCH_VERSION } from '../lib/libtorch.mjs';
import { ensureDependencies } from '../lib/npm.mjs';
import { root } from '../lib/root.mjs';
import { giveUp, say } from '../lib/say.mjs';
import { nvccVersion } from '../lib/tools.mjs';

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
      architectures: { type: 'string', default: ARCHITECTURES },
      'if-at-hand': { type: 'boolean', default: false },
    },
  });
  const lacks = whatIsLacking(values.torch);
  if (values['if-at-hand'] && lacks !== undefined) {
    say(`left out: the engine was not compiled for CUDA, ${lacks}`);
    process.exit(0);
  }
  await ensureDependencies();
  const out = join(root, `build/cuda-${values.torch}`);
  const targets = ['rank_distillm', 'rank_distillm_torch', 'cuda_test'];
  await compileForCuda({ torch: values.torch, architectures: values.architectures, out, targets });
  const addon = [join(out, 'Release'), out].map((folder) => join(folder, ADDON_NAME)).find(existsSync);
  console.log(addon);
} catch (error) {
  giveUp(error);
}
