/** True where `auto` is a GPU: its sums have other orders than those that tolerances were measured with. */
export const ON_GPU = process.env['RANK_DISTILLM_TEST_DEVICE'] === 'cuda';

/** False where LibTorch's engine was not built, as on arm64 (scripts/arm64/test.mjs). */
export const HAS_TORCH = process.env['RANK_DISTILLM_TEST_DEVICE'] !== 'cpu';

/**
 * A GPU where RANK_DISTILLM_TEST_DEVICE=cuda says that there is one (scripts/gpu/run.sh does), else the CPU in its place:
 * the engine on a device with every op's plain version. Tests then name the device they mean, `cpu` or `cuda`. The CPU
 * alone without LibTorch's engine.
 */
export function useDevices(): readonly ('cpu' | 'cuda')[] {
  if (!HAS_TORCH) return ['cpu'];
  if (!ON_GPU) process.env['RANK_DISTILLM_EMULATE_CUDA'] ??= '1';
  return ['cpu', 'cuda'];
}

/** Runs with so many bytes of a device's memory, which is played by the CPU. */
export async function withPlayedBytes<T>(bytes: number, use: () => Promise<T>): Promise<T> {
  const before = process.env['RANK_DISTILLM_EMULATE_CUDA'];
  process.env['RANK_DISTILLM_EMULATE_CUDA'] = String(bytes);
  try {
    return await use();
  } finally {
    if (before === undefined) delete process.env['RANK_DISTILLM_EMULATE_CUDA'];
    else process.env['RANK_DISTILLM_EMULATE_CUDA'] = before;
  }
}
