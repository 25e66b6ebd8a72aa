import { readlink, rm, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import { writeAtomically } from '../io/atomic-write.js';
import { makeFolder } from '../io/make-folder.js';
import { isThere } from '../io/output-file.js';
import { isPlainName } from '../io/plain-name.js';
import { readRegularFile } from '../io/regular-file.js';
import { isJsonObject } from '../io/text.js';
import { download, type Digest } from './download.js';
import { refuseOffline } from './downloads.js';
import { badAnswer, discard, fetchJson, send, withRetries, type HttpAnswer } from './http.js';

// Hugging Face's hub and the cache that Python's huggingface_hub shares with us:
//
//   models--owner--name/blobs/<etag>             contents
//   models--owner--name/snapshots/<commit>/<file>  links to them
//   models--owner--name/refs/<revision>          the revision's commit
//   models--owner--name/.no_exist/<commit>/<file>  files that the commit does not have
//
// @huggingface/hub 2.17 is not used: its cache is another (a file's snapshot is the commit that changed the file last,
// and there are no refs), it neither resumes nor checks nor locks, and goes through no proxy. What would be left of it
// is one request for a list of files.

export interface HubRevision {
  type: 'model' | 'dataset';
  /** `owner/name`, or `name` of old. */
  id: string;
  /** Branch, tag or commit. */
  revision: string;
}

/** `name` or `owner/name`, with an optional `@revision`. */
const HUB_ID = /^(\w[\w.-]*(?:\/\w[\w.-]*)?)(?:@(\w[\w./-]*))?$/;
const COMMIT = /^[0-9a-f]{40}$/;
/** A ref holds a commit's 40 digits. */
const MOST_REF_BYTES = 1024;
/** A token has fewer than 100 characters. */
const MOST_TOKEN_BYTES = 16 * 1024;
const PUBLIC_ENDPOINT = 'https://huggingface.co';

/** Reads `id` or `id@revision`; undefined if it cannot be one. */
export function parseHubId(text: string, revision?: string): Omit<HubRevision, 'type'> | undefined {
  const match = HUB_ID.exec(text);
  const wanted = revision ?? match?.[2] ?? 'main';
  const isPlain = wanted.split('/').every((part) => isPlainName(part) && !part.startsWith('.'));
  return match && isPlain && !text.includes('..') ? { id: match[1]!, revision: wanted } : undefined;
}

const HUB_PAGE =
  /^(?:(?:https?:\/\/)?(?:www\.)?(?:huggingface\.co|hf\.co)\/|hf:\/\/(?:models\/)?)(\w[\w.-]*\/\w[\w.-]*?)(?:\.git)?(?:@([\w.-]+)|\/(?:tree|blob|resolve)\/([\w.-]+).*)?\/?(?:[?#].*)?$/;

/** `owner/name` or `owner/name@revision` of a model's page on the public hub; undefined for another text. */
export function hubIdOfUrl(url: string): string | undefined {
  const [, id, behindAt, ofTree] = HUB_PAGE.exec(url) ?? [];
  const revision = behindAt ?? ofTree ?? 'main';
  if (id === undefined || /^(?:datasets|spaces)\//.test(id)) return undefined;
  return revision === 'main' ? id : `${id}@${revision}`;
}

/** The revision for people: `webis/monoelectra-base`, or with `at revision X`. */
export function nameOfRevision({ id, revision }: HubRevision): string {
  return revision === 'main' ? id : `${id} at revision ${revision}`;
}

function hubEndpoint(): string {
  return (process.env['HF_ENDPOINT'] || PUBLIC_ENDPOINT).replace(/\/+$/, '');
}

/** An address of the public hub, at the endpoint that is set; undefined for another host. */
export function atEndpoint(url: string): string | undefined {
  return url.startsWith(`${PUBLIC_ENDPOINT}/`) ? hubEndpoint() + url.slice(PUBLIC_ENDPOINT.length) : undefined;
}

/** The cache: HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME or ~/.cache, as in huggingface_hub. */
export function hubCacheFolder(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = process.env;
  const named = HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE;
  return named ? expandHome(named) : join(hubHome(), 'hub');
}

function hubHome(): string {
  const { HF_HOME, XDG_CACHE_HOME } = process.env;
  return HF_HOME ? expandHome(HF_HOME) : join(expandHome(XDG_CACHE_HOME || '~/.cache'), 'huggingface');
}

function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

/** The token of HF_TOKEN, or of the file that `hf auth login` writes. */
export async function hubToken(): Promise<string | undefined> {
  const { HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN } = process.env;
  if (HF_HUB_DISABLE_IMPLICIT_TOKEN && HF_HUB_DISABLE_IMPLICIT_TOKEN !== '0') return undefined;
  const path = HF_TOKEN_PATH ? expandHome(HF_TOKEN_PATH) : join(hubHome(), 'token');
  const token = HF_TOKEN || HUGGING_FACE_HUB_TOKEN || (await textOf(path, MOST_TOKEN_BYTES)) || '';
  const clean = token.replace(/[\r\n]/g, '').trim();
  if (/[^\x21-\x7e]/.test(clean)) {
    throw new RankDistillmError('bad_input', `${HF_TOKEN ? 'HF_TOKEN' : path}: is no token`, {
      hint: 'A token is one word that begins with hf_: copy it again, or run `hf auth login`.',
    });
  }
  return clean === '' ? undefined : clean;
}

async function textOf(path: string, bytes: number): Promise<string | undefined> {
  return readRegularFile(path, { bytes }).then(
    (content) => content.toString('utf8').trim(),
    () => undefined,
  );
}

function repositoryFolder({ type, id }: HubRevision): string {
  return join(hubCacheFolder(), `${type}s--${id.replaceAll('/', '--')}`);
}

/** A revision's commit in the cache. */
export interface CachedCommit {
  commit: string;
  /** The files that are here, as links. */
  folder: string;
}

/** What the cache has of a revision; undefined for nothing. */
export async function cachedCommit(of: HubRevision): Promise<CachedCommit | undefined> {
  const repository = repositoryFolder(of);
  const commit = (await textOf(join(repository, 'refs', of.revision), MOST_REF_BYTES)) ?? of.revision;
  if (!isPlainName(commit) || commit.startsWith('.')) return undefined;
  const folder = join(repository, 'snapshots', commit);
  return (await isThere(folder)) ? { commit, folder } : undefined;
}

/** Whether the cache knows that the commit does not have the file. */
export async function isKnownAbsent(of: HubRevision, commit: string, file: string): Promise<boolean> {
  return isThere(join(repositoryFolder(of), '.no_exist', commit, file));
}

/**
 * Downloads files of a revision into the cache.
 *
 * @param choose the files wanted of those that there are; it may download some to know which
 * @param lookedFor files that are read where they are there; the cache then knows which the commit does not have
 * @returns the folder of links
 */
export async function fetchRevision(
  of: HubRevision,
  choose: (files: ReadonlySet<string>, fetch: (file: string) => Promise<string>) => Promise<readonly string[]>,
  lookedFor: readonly string[] = [],
): Promise<string> {
  const name = nameOfRevision(of);
  refuseOffline(name, true);
  const token = await hubToken();
  const { commit, files } = await listFiles(of, token);
  const repository = repositoryFolder(of);
  const folder = join(repository, 'snapshots', commit);
  const fetched = async (file: string): Promise<string> => {
    await fetchFile({ of, commit, file, token });
    return join(folder, file);
  };
  for (const file of await choose(files, fetched)) await fetched(file);
  for (const file of lookedFor) {
    if (files.has(file) || (await isKnownAbsent(of, commit, file))) continue;
    await writeAtomically(join(repository, '.no_exist', commit, file), async () => undefined);
  }
  // last: a revision without its files would be taken for complete
  if (of.revision !== commit) await writeAtomically(join(repository, 'refs', of.revision), (write) => write(commit));
  return folder;
}

const LOCAL_FILES = 'name a file or folder of this machine';

async function listFiles(of: HubRevision, token: string | undefined): Promise<{ commit: string; files: Set<string> }> {
  const name = nameOfRevision(of);
  const url = `${hubEndpoint()}/api/${of.type}s/${of.id}/revision/${encodeURIComponent(of.revision)}`;
  const answer = await fetchJson({ url, name, token, explain: explainFor(of, token), instead: LOCAL_FILES });
  const { sha, siblings } = isJsonObject(answer) ? answer : {};
  if (typeof sha !== 'string' || !COMMIT.test(sha) || !Array.isArray(siblings)) {
    throw badAnswer(name, url, 'something that is no list of files');
  }
  const names = siblings.map((sibling) => (sibling as { rfilename?: unknown } | null)?.rfilename);
  return { commit: sha, files: new Set(names.filter((file) => typeof file === 'string').filter(isPlainPath)) };
}

/** A file's path in a repository, which stays below the folder that it is joined to. */
function isPlainPath(path: string): boolean {
  return path.split('/').every((part) => isPlainName(part) && !part.includes('\\'));
}

interface HubFile {
  of: HubRevision;
  commit: string;
  file: string;
  token: string | undefined;
}

async function fetchFile({ of, commit, file, token }: HubFile): Promise<void> {
  const repository = repositoryFolder(of);
  const link = join(repository, 'snapshots', commit, ...file.split('/'));
  if (await isThere(link)) return;
  const name = `${of.id}/${file}`;
  const prefix = of.type === 'dataset' ? 'datasets/' : '';
  const path = file.split('/').map(encodeURIComponent).join('/');
  const url = `${hubEndpoint()}/${prefix}${of.id}/resolve/${commit}/${path}`;
  const explain = explainFor(of, token);
  const { etag, size, digest } = await withRetries(name, async () => {
    // large files are on another host, but the hub has their checksum
    const answer = await send({ url, name, method: 'HEAD', token, explain, leavesHost: false });
    await discard(answer);
    return fileFacts(answer, name);
  });
  const blob = join(repository, 'blobs', etag);
  await download({ urls: [url], name, target: blob, size, digest, token, explain, movedBy: 'HF_HOME' });
  await linkTo(blob, link);
}

function fileFacts({ headers, url }: HttpAnswer, name: string): { etag: string; size: number; digest?: Digest } {
  const etag = (headers['x-linked-etag'] ?? headers['etag'] ?? '').replace(/^W\//, '').replaceAll('"', '');
  const size = headers['x-linked-size'] ?? headers['content-length'] ?? '';
  if (!isPlainName(etag) || etag.startsWith('.') || etag.length > 128 || !/^\d{1,15}$/.test(size)) {
    throw badAnswer(name, url, 'neither size nor checksum (ETag)');
  }
  if (/^[0-9a-f]{64}$/.test(etag)) return { etag, size: Number(size), digest: { algorithm: 'sha256', hex: etag } };
  if (/^[0-9a-f]{40}$/.test(etag)) return { etag, size: Number(size), digest: { algorithm: 'git', hex: etag } };
  return { etag, size: Number(size) };
}

/** A relative link, so that the cache can be moved. */
async function linkTo(blob: string, link: string): Promise<void> {
  const target = relative(dirname(link), blob);
  await makeFolder(dirname(link));
  try {
    await symlink(target, link);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw ioError('write', link, error);
    if ((await readlink(link).catch(() => undefined)) === target) return; // another process was faster
    await rm(link, { force: true });
    await symlink(target, link).catch((cause: unknown) => Promise.reject(ioError('write', link, cause)));
  }
}

/** What the hub's refusals mean; it tells the reason in a header. */
function explainFor(of: HubRevision, token: string | undefined) {
  return ({ status, headers }: HttpAnswer): RankDistillmError | undefined => {
    const page = `${hubEndpoint()}/${of.type === 'dataset' ? 'datasets/' : ''}${of.id}`;
    const reason = headers['x-error-code'];
    const known = token === undefined ? 'no token is set' : 'the token that is set may not read it';
    if (reason === 'GatedRepo') {
      return new RankDistillmError('io', `${of.id}: this ${of.type} is gated, and ${known}`, {
        hint: `Accept its terms at ${page}, then set HF_TOKEN to a token of that account (or run \`hf auth login\`).`,
      });
    }
    if (reason === 'RevisionNotFound') {
      return new RankDistillmError('not_found', `${of.id}: has no revision ${of.revision}`, {
        hint: `Name a branch, a tag or a commit of ${page}.`,
      });
    }
    if (reason === 'EntryNotFound' || (status === 403 && reason === undefined)) return undefined;
    if (status === 401 && token !== undefined && reason !== 'RepoNotFound') {
      return new RankDistillmError('io', `${of.id}: the hub refuses the token of HF_TOKEN or \`hf auth login\``, {
        hint: 'Make a new token at https://huggingface.co/settings/tokens, or unset HF_TOKEN for public repositories.',
      });
    }
    if (status === 401 || status === 404 || reason === 'RepoNotFound') {
      return new RankDistillmError(
        'not_found',
        `${of.id}: no such ${of.type} on ${new URL(page).host}, or a private one`,
        {
          hint: `Check the spelling (owner/name); for a private one set HF_TOKEN (${known}).`,
        },
      );
    }
    return undefined;
  };
}
