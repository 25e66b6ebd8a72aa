import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors } from '../../src/models/safetensors.js';
import { readTorchFile } from '../../src/models/torch-file.js';
import type { RawTensors } from '../../src/models/raw-tensor.js';
import { RankDistillmError } from '../../src/errors.js';

/** A damaged file may take as long as this; a good one of this size takes a millisecond. */
const LIMIT_MS = 2_000;

export interface FuzzReport {
  files: number;
  read: number;
  refused: number;
  /** Messages of everything that was neither success nor our error, or took too long. */
  failures: string[];
}

/** Numbers in [0, 1) from a seed: mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Lengths, counts and opcodes that parsers tend to trip over. */
const NASTY = [
  '00',
  'ff',
  'ffff',
  'ffffffff',
  'ffffffffffffffff',
  '0000000000000080',
  '7fffffff',
  '80',
  '2e',
  '6a',
  '28',
  '74',
  '52',
  '62',
];

/** One to four edits, most of them in the first bytes, where headers are. */
function mutate(original: Buffer, random: () => number): Buffer {
  let bytes = Buffer.from(original);
  const below = (limit: number) => Math.floor(random() * limit);
  for (let edits = 1 + below(4); edits > 0; edits--) {
    const at = random() < 0.5 ? below(Math.min(bytes.length, 256)) : below(bytes.length);
    const end = Math.min(bytes.length, at + 1 + below(16));
    switch (below(6)) {
      case 0:
        bytes[at] = below(256);
        break;
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
        break;
      case 2:
        bytes = bytes.subarray(0, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
        break;
      default:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(NASTY[below(NASTY.length)]!, 'hex'),
          bytes.subarray(random() < 0.5 ? at : end),
        ]);
    }
  }
  return bytes;
}

/** What a reader hands to the engine has to lie inside the file. */
function regionOutside(tensors: RawTensors, size: number): string | undefined {
  for (const [name, { data }] of tensors) {
    if (data.offset < 0 || data.bytes < 0 || data.offset + data.bytes > size) return name;
  }
  return undefined;
}

/**
 * Reads `count` damaged copies of the weight files in `fixtures`, the same ones for the same seed. Every outcome has to
 * be tensors inside the file or a RankDistillmError, within the time limit.
 */
export async function fuzzWeightFiles(
  fixtures: string,
  scratch: string,
  count: number,
  seed: number,
): Promise<FuzzReport> {
  const random = randomFrom(seed);
  const names = ['plain.safetensors', 'zip.bin', 'zip-protocol-4.bin', 'legacy.bin', 'evil-legacy.bin'];
  const originals = names.map((name) => ({ name, bytes: readFileSync(join(fixtures, name)) }));
  const report: FuzzReport = { files: 0, read: 0, refused: 0, failures: [] };
  const path = join(scratch, 'damaged');
  for (; report.files < count; report.files++) {
    const { name, bytes } = originals[report.files % originals.length]!;
    const damaged = mutate(bytes, random);
    writeFileSync(path, damaged);
    const what = `seed ${seed}, file ${report.files} (${name})`;
    const start = performance.now();
    try {
      const tensors = await (name.endsWith('.safetensors') ? readSafetensors : readTorchFile)(path);
      const outside = regionOutside(tensors, damaged.length);
      if (outside !== undefined) report.failures.push(`${what}: tensor ${outside} lies outside the file`);
      report.read++;
    } catch (error) {
      if (!(error instanceof RankDistillmError))
        report.failures.push(`${what}: ${String((error as Error)?.stack ?? error)}`);
      report.refused++;
    }
    const took = performance.now() - start;
    if (took > LIMIT_MS) report.failures.push(`${what}: took ${Math.round(took)} ms`);
  }
  return report;
}
