import { existsSync } from 'node:fs';
import { copyFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { docsPage, RankDistillmError } from '../errors.js';
import { writeAtomically } from '../io/atomic-write.js';
import { pathBeside } from '../io/leftovers.js';
import { makeFolder } from '../io/make-folder.js';
import { isThere } from '../io/output-file.js';
import { readRegularFile } from '../io/regular-file.js';
import { isJsonObject, parseJsonObject, type JsonObject } from '../io/text.js';
import { DATASETS, FILES } from './dataset-table.js';
import { digestOf, download, waitForOthers } from './download.js';
import { noteOnce, refuseOffline } from './downloads.js';
import { atEndpoint, hubToken } from './hub.js';
import { isRemoteName, remoteFile } from './remote-files.js';
import { joinTo, unpackTo, type Unpacking } from './unpack.js';

// The public datasets, in the folder and the layout of Python's ir_datasets, so that both share their files.

/** The files of a dataset: paths in ir_datasets' folder. */
export interface DatasetFiles {
  docs?: string;
  queries?: string;
  qrels?: string;
  scoreddocs?: string;
  docpairs?: string;
}

/** A file that is downloaded. */
export interface FetchedFile {
  urls: readonly string[];
  md5: string;
  /** In bytes, about. */
  size?: number;
  headers?: Readonly<Record<string, string>>;
}

/** How a file is made: downloaded, taken from another file, or of several others. */
export type DatasetFile = (FetchedFile | ({ from: string } & Unpacking) | { join: readonly string[] }) & {
  /** ir_datasets removes the file, and those it outdates, unless `file` has this value. */
  version?: { file: string; value: string; outdates: readonly string[] };
};

/** Text grows about so much when it is unpacked. */
const UNPACKED_RATIO = 3;
/** A version file has 2 bytes, the list of mirrors a few kB. */
const MOST_SMALL_BYTES = 4 * 1024 * 1024;

const TERMS: readonly [prefix: RegExp, terms: string][] = [
  [
    /^(msmarco-passage|beir\/msmarco)/,
    'MS MARCO is for non-commercial research only; downloading it accepts the terms at https://microsoft.github.io/msmarco/',
  ],
  [/^beir\//, 'the datasets of BEIR have licences of their own: see https://github.com/beir-cellar/beir'],
];

/** The ids of the public datasets. */
export const PUBLIC_IDS: readonly string[] = Object.keys(DATASETS);

/** ir_datasets' folder. */
export function datasetsFolder(): string {
  return resolve(process.env['IR_DATASETS_HOME'] || join(homedir(), '.ir_datasets'));
}

/** The paths of a public dataset's files, whether they are there or not; undefined for an unknown id. */
export function publicDataset(id: string): DatasetFiles | undefined {
  const files = Object.hasOwn(DATASETS, id) ? DATASETS[id]! : undefined;
  if (files === undefined) return undefined;
  return Object.fromEntries(Object.entries(files).map(([part, key]) => [part, join(datasetsFolder(), key as string)]));
}

/**
 * Makes sure that a file is there: downloads a file of a public dataset, or one that is named `zenodo:…` or `hf://…`.
 *
 * @returns its path; any other path as it is
 */
export async function provideFile(path: string): Promise<string> {
  if (isRemoteName(path)) return remoteFile(path);
  const key = keyOf(path);
  if (key !== undefined && !(await isPresent(key))) await make(key);
  return path;
}

/** What is there of a public dataset's file, and what is downloaded for it. */
export async function fileState(path: string): Promise<{ isPresent: boolean; downloads: FetchedFile[] }> {
  const key = keyOf(path);
  if (key === undefined || (await isPresent(key))) return { isPresent: existsSync(path), downloads: [] };
  return { isPresent: false, downloads: await missingOf(key) };
}

async function missingOf(key: string): Promise<FetchedFile[]> {
  if (await isPresent(key)) return [];
  const file = FILES[key]!;
  if ('urls' in file) return (await localCopy(key, file)) === undefined ? [await fetchedFile(key, file)] : [];
  const others = 'join' in file ? file.join : [file.from];
  return (await Promise.all(others.map(missingOf))).flat();
}

function keyOf(path: string): string | undefined {
  const key = relative(datasetsFolder(), resolve(path));
  return Object.hasOwn(FILES, key) ? key : undefined;
}

function pathOf(key: string): string {
  return join(datasetsFolder(), key);
}

async function isPresent(key: string): Promise<boolean> {
  const file = FILES[key]!;
  const { version } = file;
  if (!(await isThere(pathOf(key)))) return false;
  if (version === undefined) return true;
  const found = await textOf(pathOf(version.file));
  if (found !== undefined) return found === version.value;
  // of ir_datasets before it had versions, or put there by hand: never replaced, unless the content is another
  return !('urls' in file) || (await digestOf(pathOf(key), 'md5')) === (await fetchedFile(key, file)).md5;
}

/** Whether passages are there that were not repaired when they were unpacked. */
export function isUnrepaired(path: string): boolean {
  const key = keyOf(path);
  const file = key === undefined ? undefined : FILES[key]!;
  if (file?.version === undefined || !('change' in file) || file.change !== 'repair') return false;
  return existsSync(path) && !existsSync(pathOf(file.version.file));
}

/** Makes a file that is not there. */
async function make(key: string): Promise<void> {
  const file = FILES[key]!;
  const target = pathOf(key);
  await makeFolder(dirname(target));
  if ('urls' in file) {
    if (await isThere(target)) await rm(target); // of another version
    await setVersion(key);
    const copy = await localCopy(key, file);
    if (copy === undefined) return fetch(key, file, target);
    const temporary = pathBeside(target, 'new');
    await copyFile(copy, temporary);
    return rename(temporary, target);
  }
  await waitForOthers(target, 'new', key);
  if (await isPresent(key)) return;
  if ('join' in file) {
    for (const part of file.join) if (!(await isPresent(part))) await make(part);
    return joinTo(target, file.join.map(pathOf));
  }
  const { path, isTemporary } = await archiveOf(file.from);
  await setVersion(key);
  await unpackTo(target, path, file);
  if (isTemporary) await rm(path, { force: true });
}

/** ir_datasets keeps no archive that has no place in its layout. */
async function archiveOf(key: string): Promise<{ path: string; isTemporary: boolean }> {
  const path = pathOf(key);
  if (await isPresent(key)) return { path, isTemporary: false };
  const file = FILES[key]!;
  if (!('urls' in file)) {
    await make(key);
    return { path, isTemporary: false };
  }
  const copy = await localCopy(key, file);
  if (copy !== undefined) return { path: copy, isTemporary: false };
  await makeFolder(dirname(path));
  await fetch(key, file, path, UNPACKED_RATIO);
  return { path, isTemporary: key.startsWith('downloads/') };
}

/** Where ir_datasets asks users to put what they have by other means, under its MD5. */
async function localCopy(key: string, { md5 }: FetchedFile): Promise<string | undefined> {
  const path = pathOf(`downloads/${md5}`);
  if (path === pathOf(key) || !(await isThere(path))) return undefined;
  return (await digestOf(path, 'md5')) === md5 ? path : undefined;
}

const LOCAL_FILES = 'register local files for the dataset under `datasets:` in the configuration';

async function fetch(key: string, given: FetchedFile, target: string, unpackedRatio = 0): Promise<void> {
  const { urls, md5, size = 0, headers } = await fetchedFile(key, given);
  const name = key.startsWith('downloads/') ? basename(new URL(urls[0]!).pathname) : key;
  const [first, ...others] = urls.map((url) => atEndpoint(url) ?? url);
  const isHub = atEndpoint(urls[0]!) !== undefined;
  refuseOffline(name, isHub, LOCAL_FILES);
  const terms = TERMS.find(([prefix]) => prefix.test(key) || key.startsWith('downloads/'))?.[1];
  if (terms !== undefined) noteOnce(terms);
  await download({
    name,
    urls: [first!, ...others],
    target,
    headers,
    token: isHub ? await hubToken() : undefined,
    digest: { algorithm: 'md5', hex: md5 },
    unpackedSize: size * unpackedRatio,
    movedBy: 'IR_DATASETS_HOME',
    instead: LOCAL_FILES,
  });
}

/** Before the file has its name: ir_datasets might look at it in between. */
async function setVersion(key: string): Promise<void> {
  const { version } = FILES[key]!;
  if (version === undefined || (await textOf(pathOf(version.file))) === version.value) return;
  for (const other of version.outdates) await rm(pathOf(other), { recursive: true, force: true });
  await writeAtomically(pathOf(version.file), (write) => write(version.value));
}

/** A download, or what the file of RANK_DISTILLM_DOWNLOADS says instead. */
async function fetchedFile(key: string, file: FetchedFile): Promise<FetchedFile> {
  const path = process.env['RANK_DISTILLM_DOWNLOADS'];
  if (!path) return file;
  const other = (await mirrors(path))[key];
  if (other === undefined) return file;
  const { url, md5, size } = isJsonObject(other) ? other : ({} as JsonObject);
  if (typeof url !== 'string' || typeof md5 !== 'string' || (size !== undefined && typeof size !== 'number')) {
    throw new RankDistillmError('bad_input', `${path}: ${key}: expected url, md5 and perhaps size`, {
      hint: `${docsPage('downloads')} has an example.`,
    });
  }
  return { urls: [url], md5, ...(size === undefined ? {} : { size }) };
}

async function mirrors(path: string): Promise<JsonObject> {
  const text = await readRegularFile(path, { bytes: MOST_SMALL_BYTES });
  return parseJsonObject(text.toString('utf8'), path, `${docsPage('downloads')} has an example.`);
}

async function textOf(path: string): Promise<string | undefined> {
  return readRegularFile(path, { bytes: MOST_SMALL_BYTES }).then(
    (bytes) => bytes.toString('utf8').trim(),
    () => undefined,
  );
}
