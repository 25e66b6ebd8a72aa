import { freemem } from 'node:os';
import { readFileSync } from 'node:fs';
import type { NativeTrainer } from '../../binding.js';

/** What is left for everything else: texts, tokens, the other passes' temporaries. */
const SHARE_OF_FREE = 0.5;
/** A process that takes all that is free is no good neighbour; what does not fit is computed twice, a third slower. */
const MOST_BYTES = 6 * 2 ** 30;
const FEWEST_TOKENS = 512;

/**
 * Tokens whose activations may be held at a time: half of the memory that is free or that the cgroup grants, at most
 * 6 GiB; on a GPU what the engine says that is left there. A batch that fits is not computed twice.
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

/** os.freemem leaves out what the page cache would give back. */
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
