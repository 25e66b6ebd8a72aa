import { join } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { writeAtomically } from '../io/atomic-write.js';
import { cacheFolder } from '../io/make-folder.js';
import { isThere } from '../io/output-file.js';
import { isPlainName } from '../io/plain-name.js';
import { readRegularFile } from '../io/regular-file.js';
import { isJsonObject } from '../io/text.js';
import { download } from './download.js';
import { refuseOffline } from './downloads.js';
import { badAnswer, fetchJson } from './http.js';
import { cachedCommit, fetchRevision, nameOfRevision, parseHubId, type HubRevision } from './hub.js';

// Files that are named by where they are published: `zenodo:RECORD/FILE`, and `hf://datasets/OWNER/NAME@REVISION/FILE` as
// in huggingface_hub, pandas and DuckDB.

/** The list of a record's files. */
const MOST_RECORD_BYTES = 16 * 1024 * 1024;

export function isRemoteName(name: string): boolean {
  return /^(zenodo:|hf:\/\/)/.test(name);
}

/** Downloads such a file, unless it is there. */
export async function remoteFile(name: string): Promise<string> {
  const [, record, file] = /^zenodo:(\d+)\/(.+)$/.exec(name) ?? [];
  if (record !== undefined && isPlainName(file)) return zenodoFile(name, record, file);
  const [, id, revision, path] = /^hf:\/\/datasets\/([^/@]+\/[^/@]+)(?:@([^/]+))?\/(.+)$/.exec(name) ?? [];
  const parsed = id === undefined ? undefined : parseHubId(id, revision && decodeURIComponent(revision));
  if (parsed && path !== undefined && path.split('/').every(isPlainName)) {
    return hubFile({ type: 'dataset', ...parsed }, path);
  }
  throw new RankDistillmError('bad_input', `${name}: names no file`, {
    hint: 'Write zenodo:RECORD/FILE, or hf://datasets/OWNER/NAME/FILE (with @REVISION behind NAME for another than main).',
  });
}

async function hubFile(of: HubRevision, file: string): Promise<string> {
  const cached = await cachedCommit(of);
  const path = cached && join(cached.folder, file);
  if (path !== undefined && (await isThere(path))) return path;
  const folder = await fetchRevision(of, async (files) => {
    if (files.has(file)) return [file];
    throw noSuchFile(`${nameOfRevision(of)}`, file, [...files]);
  });
  return join(folder, file);
}

async function zenodoFile(name: string, record: string, file: string): Promise<string> {
  const folder = join(cacheFolder(), 'zenodo', record);
  const target = join(folder, file);
  if (await isThere(target)) return target;
  refuseOffline(name, false);
  const endpoint = (process.env['ZENODO_ENDPOINT'] || 'https://zenodo.org').replace(/\/+$/, '');
  const files = await zenodoFiles(`${endpoint}/api/records/${record}`, record, join(folder, '.record.json'));
  const found = files.find(({ key }) => key === file);
  if (found === undefined)
    throw noSuchFile(
      `zenodo:${record}`,
      file,
      files.map(({ key }) => key),
    );
  await download({
    name,
    urls: [`${endpoint}/records/${record}/files/${encodeURIComponent(file)}?download=1`],
    target,
    size: found.size,
    digest: { algorithm: 'md5', hex: found.md5 },
    movedBy: 'XDG_CACHE_HOME',
  });
  return target;
}

interface ZenodoFile {
  key: string;
  size: number;
  md5: string;
}

/** The files of a record, which never change; the list is kept beside them. */
async function zenodoFiles(url: string, record: string, kept: string): Promise<ZenodoFile[]> {
  const text = await readRegularFile(kept, { bytes: MOST_RECORD_BYTES }).catch(() => undefined);
  const known = text && zenodoList(parsed(text.toString('utf8')));
  if (known) return known;
  const answer = await fetchJson({
    url,
    name: `zenodo:${record}`,
    explain: ({ status }) =>
      status === 404 || status === 410
        ? new RankDistillmError('not_found', `zenodo:${record}: no such record`, {
            hint: `Take the number from the record's address, as in https://zenodo.org/records/15131907.`,
          })
        : undefined,
  });
  const files = zenodoList(answer);
  if (files === undefined) throw badAnswer(`zenodo:${record}`, url, 'something that is no list of files');
  const list = { files: files.map(({ key, size, md5 }) => ({ key, size, checksum: `md5:${md5}` })) };
  await writeAtomically(kept, (write) => write(JSON.stringify(list)));
  return files;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function zenodoList(answer: unknown): ZenodoFile[] | undefined {
  const files = isJsonObject(answer) ? answer['files'] : undefined;
  if (!Array.isArray(files)) return undefined;
  const list = files.map((file: unknown) => {
    const { key, size, checksum } = isJsonObject(file) ? file : ({} as Record<string, unknown>);
    const md5 = /^md5:([0-9a-f]{32})$/.exec(String(checksum))?.[1];
    const isFile = isPlainName(key) && !key.startsWith('.') && Number.isSafeInteger(size) && md5 !== undefined;
    return isFile ? { key, size: size as number, md5 } : undefined;
  });
  return list.includes(undefined) ? undefined : (list as ZenodoFile[]);
}

function noSuchFile(where: string, file: string, files: readonly string[]): RankDistillmError {
  const shown = files.slice(0, 20).join(', ') + (files.length > 20 ? `, … (${files.length})` : '');
  return new RankDistillmError('not_found', `${where}: has no file ${file}`, { hint: `Its files: ${shown}.` });
}
