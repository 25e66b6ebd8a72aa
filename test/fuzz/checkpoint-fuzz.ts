import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors } from '../../src/models/safetensors.js';
import { readTorchFile } from '../../src/models/torch-file.js';
import type { RawTensors } from '../../src/models/raw-tensor.js';
import { RankDistillmError } from '../../src/errors.js';
import { RandomStream } from '../../src/random/random-stream.js';
import { mutateBytes } from '../../scripts/attack/mutate.js';

/** A damaged file may take as long as this; a good one of this size takes a millisecond. */
const LIMIT_MS = 2_000;

export interface FuzzReport {
  files: number;
  read: number;
  refused: number;
  /** Messages of everything that was neither success nor our error, or took too long. */
  failures: string[];
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
  const names = ['plain.safetensors', 'zip.bin', 'zip-protocol-4.bin', 'legacy.bin', 'evil-legacy.bin'];
  const originals = names.map((name) => ({ name, bytes: readFileSync(join(fixtures, name)) }));
  const report: FuzzReport = { files: 0, read: 0, refused: 0, failures: [] };
  const path = join(scratch, 'damaged');
  for (; report.files < count; report.files++) {
    const { name, bytes } = originals[report.files % originals.length]!;
    const random = new RandomStream({ seed, purpose: 'damaged weight files', epoch: 0, item: String(report.files) });
    const damaged = mutateBytes(random, bytes);
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
