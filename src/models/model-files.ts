import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import { membersOf } from './json-members.js';
import { readJsonObject } from './json-file.js';
import { LIBRARY_FILES } from './sentence-transformers.js';

/** The small files of a model folder, held so that a model can be saved when its folder is gone. */
export interface ModelFiles {
  /** config.json: key to the value as it is written. */
  config: ReadonlyMap<string, string>;
  /** tokenizer_config.json in the same way; empty when there is none. */
  tokenizerConfig: ReadonlyMap<string, string>;
  /** What else describes the tokenizer, and how sentence-transformers scores: by file name, as it is. */
  carried: ReadonlyMap<string, Buffer>;
}

/** Tokenizer files, and those of sentence-transformers. */
const CARRIED = [
  ...['tokenizer.json', 'vocab.txt', 'vocab.json', 'merges.txt', 'special_tokens_map.json', 'added_tokens.json'],
  ...LIBRARY_FILES,
];

/** All small files that a model's scores depend on. */
export const MODEL_FILES: readonly string[] = ['config.json', 'tokenizer_config.json', ...CARRIED];

/** Reads the small files of a model folder that `saveModel` carries over. */
export async function readModelFiles(folder: string): Promise<ModelFiles> {
  const config = await readMembers(join(folder, 'config.json'));
  if (!config) {
    throw new RankDistillmError(
      'not_found',
      `${join(folder, 'config.json')}: no such file, so the model cannot be saved`,
      {
        hint: 'Leave the folder that a model was loaded from in its place while the model is in use.',
      },
    );
  }
  const carried = new Map<string, Buffer>();
  for (const name of CARRIED) {
    const bytes = await readOptional(join(folder, name));
    if (bytes) carried.set(name, bytes);
  }
  return {
    config,
    tokenizerConfig: (await readMembers(join(folder, 'tokenizer_config.json'))) ?? new Map<string, string>(),
    carried,
  };
}

async function readMembers(path: string): Promise<Map<string, string> | undefined> {
  if (!(await readJsonObject(path))) return undefined; // says what is wrong with it
  return membersOf((await readOptional(path))?.toString() ?? '{}');
}

async function readOptional(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw ioError('read', path, error);
  }
}
