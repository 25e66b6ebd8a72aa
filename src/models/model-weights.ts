import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import { pathOfPlainName } from '../io/plain-name.js';
import { readJsonObject } from './json-file.js';
import type { RawTensors } from './raw-tensor.js';
import { readSafetensors } from './safetensors.js';
import { readTorchFile } from './torch-file.js';

/** Weight files in transformers' order of preference. The index of a sharded model has the suffix `.index.json`. */
const FORMATS = [
  { name: 'model.safetensors', read: readSafetensors },
  { name: 'pytorch_model.bin', read: readTorchFile },
] as const;

/** Their names. */
export const WEIGHT_FILES: readonly string[] = FORMATS.map(({ name }) => name);

/** The largest models have 200; each may hold a header of megabytes. */
const MOST_SHARDS = 256;

type ReadTensors = (path: string) => Promise<RawTensors>;

/** Locates a model folder's tensors; undefined if it has no weights in a supported format. */
export async function readModelWeights(folder: string): Promise<RawTensors | undefined> {
  const files = new Set(await listFolder(folder));
  for (const { name, read } of FORMATS) {
    if (files.has(name)) return read(join(folder, name));
    if (files.has(`${name}.index.json`)) return readShards(folder, `${name}.index.json`, read);
  }
  return undefined;
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw ioError('read', folder, error);
  }
}

/** `weight_map` of the index maps each tensor to its file; other tensors in a shard do not belong to the model. */
async function readShards(folder: string, indexName: string, read: ReadTensors): Promise<RawTensors> {
  const path = join(folder, indexName);
  const map = (await readJsonObject(path))?.['weight_map'];
  const hint = 'Copy or download the model again.';
  const bad = (problem: string) => new RankDistillmError('bad_input', `${path}: ${problem}`, { hint });
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw bad('weight_map: is missing');
  const shards = new Map<string, RawTensors>();
  const tensors: RawTensors = new Map();
  for (const [name, file] of Object.entries(map)) {
    const shardPath = pathOfPlainName(folder, file, `${path}: weight_map: ${JSON.stringify(name)}`, hint);
    const shard = shards.get(shardPath) ?? (await read(shardPath));
    shards.set(shardPath, shard);
    if (shards.size > MOST_SHARDS) throw bad(`weight_map: names more than ${MOST_SHARDS} files`);
    const tensor = shard.get(name);
    if (!tensor) throw bad(`weight_map: ${String(file)} does not hold tensor ${JSON.stringify(name)}`);
    tensors.set(name, tensor);
  }
  return tensors;
}
