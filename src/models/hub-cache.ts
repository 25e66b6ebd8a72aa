import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { readRegularFile } from '../io/regular-file.js';
import { healFolder } from '../io/replace-folder.js';

/** `name`, `owner/name`, with an optional `@revision` (branch, tag, refs/pr/1 or commit). */
const HUB_ID = /^([\w][\w.-]*(?:\/[\w][\w.-]*)?)(?:@([\w][\w./-]*))?$/;

/** A ref holds a commit's 40 digits. */
const MOST_REF_BYTES = 1024;

export interface ResolvedModel {
  folder: string;
  /** The Hugging Face id without revision; undefined for a folder. */
  hubId: string | undefined;
}

/**
 * Resolves a folder, or a Hugging Face id to its snapshot in the local hub cache (HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME
 * and ~/.cache, as in huggingface_hub). Downloads nothing.
 */
export async function resolveModel(nameOrPath: string, revision?: string): Promise<ResolvedModel> {
  if (typeof nameOrPath !== 'string' || nameOrPath === '') {
    throw new RankDistillmError('bad_input', 'model name or path: expected a folder or a Hugging Face id', {
      hint: 'Set model_name_or_path to a model folder or to an id like owner/name.',
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
  const match = HUB_ID.exec(nameOrPath);
  const wanted = revision ?? match?.[2] ?? 'main';
  if (!match || nameOrPath.includes('..') || wanted.split('/').some((part) => part === '..' || part === '')) {
    throw new RankDistillmError('not_found', `${nameOrPath}: no such model folder`, {
      hint: 'Check the path; relative paths start from the current working directory.',
    });
  }
  const hubId = match[1] as string;
  return { folder: await findSnapshot(hubId, wanted), hubId };
}

/** The hint for downloading a model into the cache. */
export function downloadHint(hubId: string, revision?: string): string {
  const option = revision === undefined || revision === 'main' ? '' : ` --revision ${revision}`;
  return `Fetch it with \`hf download ${hubId}${option}\`; this version does not download models.`;
}

async function findSnapshot(hubId: string, revision: string): Promise<string> {
  const cache = hubCacheFolder();
  const repo = join(cache, `models--${hubId.replaceAll('/', '--')}`);
  const commit = (await readText(join(repo, 'refs', revision))) ?? revision;
  const snapshot = join(repo, 'snapshots', commit);
  if (/^[\w.-]+$/.test(commit) && !commit.startsWith('.') && (await kindOf(snapshot)) === 'folder') return snapshot;
  const which = revision === 'main' ? hubId : `${hubId} at revision ${revision}`;
  throw new RankDistillmError('not_found', `${which}: neither a folder nor in the Hugging Face cache ${cache}`, {
    hint: downloadHint(hubId, revision),
  });
}

function hubCacheFolder(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  const named = HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE;
  if (named) return expandHome(named);
  if (HF_HOME) return join(expandHome(HF_HOME), 'hub');
  return join(expandHome(XDG_CACHE_HOME || '~/.cache'), 'huggingface', 'hub');
}

function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

async function kindOf(path: string): Promise<'folder' | 'file' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch {
    return undefined;
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return (await readRegularFile(path, { bytes: MOST_REF_BYTES })).toString().trim();
  } catch {
    return undefined;
  }
}
