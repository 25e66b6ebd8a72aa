import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { downloadListener, offlineVariable, withDownloads } from '../fetch/downloads.js';
import {
  cachedCommit,
  fetchRevision,
  hubCacheFolder,
  hubIdOfUrl,
  isKnownAbsent,
  nameOfRevision,
  parseHubId,
  type CachedCommit,
  type HubRevision,
} from '../fetch/hub.js';
import { healFolder } from '../io/replace-folder.js';
import { readJsonObject } from './json-file.js';
import { WEIGHT_FILES } from './model-weights.js';
import { MODEL_FILES } from './save-model.js';

export interface ResolvedModel {
  folder: string;
  /** The Hugging Face id without revision; undefined for a folder. */
  hubId: string | undefined;
}

/** The files that scores depend on, besides the weights, and those that say that the model is of another kind. */
const FILES: readonly string[] = [...MODEL_FILES, 'adapter_config.json', 'chat_template.jinja'];

/**
 * Resolves a folder, or a Hugging Face id to its snapshot in the local hub cache. What the cache lacks is downloaded;
 * what it has is used without a request, so a branch stays at its commit until `fetchModel` looks again.
 */
export async function resolveModel(nameOrPath: string, revision?: string): Promise<ResolvedModel> {
  if (typeof nameOrPath !== 'string' || nameOrPath === '') {
    throw new RankDistillmError('bad_input', 'model name or path: expected a folder or a Hugging Face id', {
      hint: 'Name a model folder, or an id like owner/name.',
    });
  }
  await healFolder(nameOrPath);
  const found = await kindOf(nameOrPath);
  if (found === 'folder') return { folder: nameOrPath, hubId: undefined };
  if (found === 'file') {
    throw new RankDistillmError('bad_input', `${nameOrPath}: is a file, not a model folder`, {
      hint: nameOrPath.endsWith('.ckpt')
        ? "Lightning's .ckpt files are not read: name the folder huggingface_checkpoint that lightning-ir saves beside " +
          'the folder checkpoints.'
        : 'Name the folder that holds config.json and the weights.',
    });
  }
  const of = modelRevision(nameOrPath, revision);
  return { folder: await findSnapshot(of), hubId: of.id };
}

/**
 * Downloads a model's files into the Hugging Face cache: its newest commit, and only what this package reads.
 *
 * @returns its folder
 */
export function fetchModel(id: string, revision?: string): Promise<string> {
  return fetchFiles(modelRevision(id, revision));
}

/** The hint for a model folder that lacks files. */
export function downloadHint(hubId: string, revision?: string): string {
  const option = revision === undefined || revision === 'main' ? '' : `@${revision}`;
  return `Download it again with \`rank-distillm models get ${hubId}${option}\`.`;
}

function modelRevision(nameOrPath: string, revision: string | undefined): HubRevision {
  const parsed = parseHubId(nameOrPath, revision);
  if (parsed) return { type: 'model', ...parsed };
  const id = hubIdOfUrl(nameOrPath);
  if (id !== undefined) {
    throw new RankDistillmError('bad_input', `${nameOrPath}: is an address, not a model folder or a Hugging Face id`, {
      hint: `Name the model by its id: ${id}.`,
    });
  }
  throw new RankDistillmError('not_found', `${nameOrPath}: no such model folder`, {
    hint: 'Check the path; relative paths start from the current working directory.',
  });
}

async function findSnapshot(of: HubRevision): Promise<string> {
  const cached = await cachedCommit(of);
  const state = cached === undefined ? 'missing' : await stateOf(of, cached);
  if (cached !== undefined && state === 'complete') return cached.folder;
  const variable = offlineVariable(true);
  if (cached !== undefined && (state === 'usable' || variable !== undefined)) {
    if (variable !== undefined) return cached.folder; // the loader names the file that it misses
    return completed(of, cached);
  }
  if (variable === undefined) return fetchFiles(of);
  const where = `neither a folder nor in the Hugging Face cache ${hubCacheFolder()}`;
  throw new RankDistillmError('not_found', `${nameOfRevision(of)}: ${where}, and ${variable} forbids to download it`, {
    hint: `Unset ${variable}, or copy the model from a machine that has it.`,
  });
}

/**
 * Other libraries download only the files that they read. Those that they left out may change scores; where the hub
 * cannot be asked, the model is used as it is.
 */
async function completed(of: HubRevision, { commit, folder }: CachedCommit): Promise<string> {
  const listener = downloadListener();
  try {
    return await withDownloads({ ...listener, mostTries: 1 }, () => fetchFiles({ ...of, revision: commit }));
  } catch (error) {
    if (!(error instanceof RankDistillmError) || error.code === 'aborted') throw error;
    listener.onNote?.(`${nameOfRevision(of)}: used as it is in the cache, which may lack files (${error.message})`);
    return folder;
  }
}

type State = 'complete' | 'usable' | 'missing';

/** `complete`: every file is there, or known not to exist. `usable`: configuration, tokenizer and weights are there. */
async function stateOf(of: HubRevision, { commit, folder }: CachedCommit): Promise<State> {
  const has = async (file: string): Promise<boolean> => (await kindOf(join(folder, file))) !== undefined;
  const weights = await weightFiles(has, async (file) => join(folder, file));
  const hasTokenizer = (await has('tokenizer.json')) || (await has('vocab.txt')) || (await has('vocab.json'));
  if (!(await has('config.json')) || !hasTokenizer || weights === undefined) return 'missing';
  for (const file of weights) if (!(await has(file))) return 'missing';
  for (const file of FILES) if (!(await has(file)) && !(await isKnownAbsent(of, commit, file))) return 'usable';
  return 'complete';
}

function fetchFiles(of: HubRevision): Promise<string> {
  return fetchRevision(
    of,
    async (files, fetch) => {
      const weights = await weightFiles(async (file) => files.has(file), fetch);
      return [...FILES, ...(weights ?? [])].filter((file) => files.has(file));
    },
    FILES,
  );
}

/** The files of the preferred format of weights: one, or an index and what it names; undefined without weights. */
async function weightFiles(
  has: (file: string) => Promise<boolean>,
  pathOf: (file: string) => Promise<string>,
): Promise<string[] | undefined> {
  for (const name of WEIGHT_FILES) {
    if (await has(name)) return [name];
    const index = `${name}.index.json`;
    if (!(await has(index))) continue;
    const map = (await readJsonObject(await pathOf(index)))?.['weight_map'];
    // other values are reported by the reader of the weights
    const shards = Object.values(map ?? {}).filter((shard) => typeof shard === 'string');
    return [index, ...new Set(shards)];
  }
  return undefined;
}

async function kindOf(path: string): Promise<'folder' | 'file' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch {
    return undefined;
  }
}
