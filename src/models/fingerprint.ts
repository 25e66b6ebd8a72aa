import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { NamedTensor } from '../../binding.js';
import { ioError } from '../errors.js';
import { sampleBlocks } from '../io/fingerprint.js';
import { readRegularFileIfPresent } from '../io/regular-file.js';
import { readRegion } from '../io/regions.js';
import type { Checkpoint } from './checkpoint.js';
import { MAX_TOKENIZER_BYTES } from './json-file.js';
import { MODEL_FILES } from './save-model.js';

/** Blocks per tensor; a tensor of up to 64 KiB is hashed whole. */
const TENSOR_SAMPLES = { blocks: 16, bytes: 4 * 2 ** 10 };

export interface ModelFingerprint {
  /** Hash of the tensors, independent of the file format. */
  weights: string;
  /** Hash of config.json and the tokenizer's files. */
  files: string;
}

/**
 * Identifies a model by its content. Hashes each tensor's name, type, shape and 16 blocks of 4 KiB (small tensors
 * whole): about 10 MB of a model of 1.3 GB. That is enough because an optimizer step changes nearly every value, so two
 * trainings, or two checkpoints of one, differ in every tensor. Manual edits of a few values in a large tensor may go
 * undetected.
 */
export async function fingerprintModel({ folder, tensors }: Checkpoint): Promise<ModelFingerprint> {
  return { weights: await fingerprintTensors(tensors), files: await fingerprintFiles(folder) };
}

async function fingerprintTensors(tensors: readonly NamedTensor[]): Promise<string> {
  const hash = createHash('sha256');
  const files = new Map<string, FileHandle>();
  try {
    for (const { name, dtype, shape, data } of tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      hash.update(`${name} ${dtype} ${shape.join('x')}\n`);
      if (data instanceof Uint8Array) {
        hash.update(data);
        continue;
      }
      let handle = files.get(data.file);
      if (handle === undefined) files.set(data.file, (handle = await open(data.file, 'r')));
      for (const { offset, length } of sampleBlocks(data.bytes, TENSOR_SAMPLES)) {
        hash.update(await readRegion(handle, data.offset + offset, length, data.file));
      }
    }
  } catch (error) {
    throw ioErrorOf(error);
  } finally {
    for (const handle of files.values()) await handle.close();
  }
  return `sampled-sha256:${hash.digest('hex')}`;
}

/** Errors of `open` name the path; ours pass unchanged. */
function ioErrorOf(error: unknown): unknown {
  const { code, path } = error as NodeJS.ErrnoException;
  return path === undefined || code === undefined ? error : ioError('read', path, error);
}

async function fingerprintFiles(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of MODEL_FILES) {
    const path = join(folder, name);
    const bytes = await readRegularFileIfPresent(path, { bytes: MAX_TOKENIZER_BYTES });
    if (bytes !== undefined) hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return `sha256:${hash.digest('hex')}`;
}

/** Settings that change a model's scores and that a caller may set, by their names in a configuration. */
export function modelSettings({ modelClass, head, mono, pairEncoding }: Checkpoint): Record<string, unknown> {
  const lengths = mono ? { query_length: mono.queryLength, doc_length: mono.docLength } : {};
  const { pooling, dense, output, label, logSoftmax } = head;
  return {
    class: modelClass,
    pooling,
    dense: dense?.name ?? null,
    labels: output.labels,
    bias: output.bias,
    label,
    log_softmax: logSoftmax,
    ...lengths,
    pair_length: pairEncoding.maxLength,
  };
}
