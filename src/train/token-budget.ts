import { freemem } from 'node:os';
import { readFileSync } from 'node:fs';
import type { NativeTrainer } from '../../binding.js';

/** The rest is for texts, tokens and temporary buffers. */
const SHARE_OF_FREE = 0.5;
/** Leaves memory to other processes. Larger batches are computed twice, which costs about a third of the speed. */
const MOST_BYTES = 6 * 2 ** 30;
const FEWEST_TOKENS = 512;

/**
 * Tokens whose activations may be held at a time. On a CPU they may take half of the free memory (or of what the cgroup
 * allows), at most 6 GiB; on a GPU the amount that the engine reports. A batch that fits is not computed twice.
 */
export function defaultTokenBudget(native: Pick<NativeTrainer, 'bytesPerToken' | 'activationBytes'>): number {
  const bytes = native.activationBytes || Math.min(MOST_BYTES, freeMemory() * SHARE_OF_FREE);
  return Math.max(FEWEST_TOKENS, Math.floor(bytes / native.bytesPerToken));
}

function freeMemory(): number {
  const limit = cgroupNumber('memory.max') ?? Number.POSITIVE_INFINITY;
  const used = cgroupNumber('memory.current') ?? 0;
  return Math.min(availableMemory(), limit - used);
}

/** os.freemem does not count reclaimable page cache. */
function availableMemory(): number {
  try {
    const kilobytes = /^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
    return kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
  } catch {
    return freemem();
  }
}

function cgroupNumber(name: string): number | undefined {
  try {
    const value = Number(readFileSync(`/sys/fs/cgroup/${name}`, 'utf8'));
    return Number.isFinite(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
