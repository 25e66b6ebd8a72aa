import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, lstat, open, rename, rm, stat, statfs, truncate, utimes } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ioError, RankDistillmError, throwIfAborted } from '../errors.js';
import { sync } from '../io/atomic-write.js';
import { leftoversIn, pathBeside, type Leftover } from '../io/leftovers.js';
import { makeFolder } from '../io/make-folder.js';
import { isThere } from '../io/output-file.js';
import { downloadListener } from './downloads.js';
import { badAnswer, bodyOf, discard, send, Transient, withRetries, type HttpAnswer, type HttpRequest } from './http.js';

// A file is written beside its target, checked and renamed, so that a file under its name is complete. The temporary
// name holds the process (io/atomic-write.ts), which makes it the lock as well: another process that wants the same
// target waits while the file is alive and written, and takes over what a killed one left.

/** A checksum; `git` is that of a blob: SHA-1 over a header and the content. */
export interface Digest {
  algorithm: 'sha256' | 'md5' | 'git';
  hex: string;
}

export interface Download extends Pick<HttpRequest, 'name' | 'token' | 'explain' | 'instead'> {
  /** The same file at several addresses; the next one is tried where one fails. */
  urls: readonly [string, ...string[]];
  target: string;
  headers?: Readonly<Record<string, string>> | undefined;
  /** Exact size, where known. */
  size?: number | undefined;
  /** Without one, only the size is checked and an interrupted download starts again. */
  digest?: Digest | undefined;
  /** Size in bytes of what is made from the file later, on the same disk. */
  unpackedSize?: number | undefined;
  /** The variable that moves the folder to another disk. */
  movedBy: string;
}

/** A download of another process that has not grown for so long is not waited for. */
const STALLED_MS = 120_000;
const POLL_MS = 100;
/** The disk should not be filled to the last byte. */
const SPARE_BYTES = 16 * 1024 * 1024;

/**
 * Downloads a file, unless it is there. Goes on where an interrupted download stopped, checks size and checksum, and
 * puts the file under its name only then. What a failed download has is kept in a hidden file beside it.
 */
export async function download(given: Download): Promise<void> {
  const target = resolve(given.target);
  const wanted = { ...given, target };
  try {
    await makeFolder(dirname(target));
    const part = await claim(target, wanted.name);
    if (part === undefined) return;
    const progress = progressOf(wanted.name);
    try {
      await fillFromAny(wanted, part, progress);
      await sync(part);
      await rename(part, target);
      await sync(dirname(target));
    } catch (error) {
      await park(part, target);
      throw error;
    } finally {
      progress.end();
    }
  } catch (error) {
    throwIfAborted(downloadListener().signal);
    if (error instanceof RankDistillmError || (error as NodeJS.ErrnoException).code === undefined) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw noSpace(wanted, error);
    throw ioError('write', target, error);
  }
}

/** Where a failed download waits to be continued. */
function parkedPath(target: string): string {
  return join(dirname(target), `.${basename(target)}.part`);
}

/** The temporary file, which only this process writes; undefined if the target is there by then. */
async function claim(target: string, name: string): Promise<string | undefined> {
  for (;;) {
    await waitForOthers(target, 'part', name);
    if (await isThere(target)) return undefined;
    const part = pathBeside(target, 'part');
    const dead = (await partsOf(target, 'part')).filter(({ alive }) => !alive).map(({ path }) => path);
    for (const left of [parkedPath(target), ...dead]) await takeLarger(left, part);
    await (await open(part, 'a')).close();
    await utimes(part, new Date(), new Date());
    if (await isFirst(part, target)) return part;
    await park(part, target);
  }
}

/** Waits while another process writes the target. */
export async function waitForOthers(target: string, role: 'part' | 'new', name: string): Promise<void> {
  const { signal, onNote } = downloadListener();
  for (let told = false; ; told = true) {
    throwIfAborted(signal);
    const parts = await partsOf(target, role);
    const busy = await Promise.all(parts.map(async ({ path, alive }) => alive && (await isGrowing(path))));
    if (!busy.includes(true)) return;
    if (!told) onNote?.(`${name}: waiting for another process that makes it`);
    await sleep(POLL_MS, undefined, { ...(signal && { signal }) }).catch(() => undefined);
  }
}

async function partsOf(target: string, role: 'part' | 'new'): Promise<Leftover[]> {
  return (await leftoversIn(dirname(target))).filter((left) => left.target === target && left.role === role);
}

/** Of processes that claim a target in the same moment, the one whose file is oldest goes on. */
async function isFirst(part: string, target: string): Promise<boolean> {
  const parts = (await partsOf(target, 'part')).filter(({ alive }) => alive);
  const ages = await Promise.all(parts.map(async ({ path }) => ((await isGrowing(path)) ? ageOf(path) : undefined)));
  const own = await ageOf(part);
  return own !== undefined && ages.every((age) => age === undefined || age >= own);
}

/** Sorts by time of birth, then by name. */
async function ageOf(path: string): Promise<string | undefined> {
  return stat(path, { bigint: true }).then(
    ({ birthtimeNs }) => `${String(birthtimeNs).padStart(24, '0')} ${basename(path)}`,
    () => undefined,
  );
}

async function isGrowing(path: string): Promise<boolean> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs < STALLED_MS,
    () => false,
  );
}

/** Moves a leftover to `part`, unless what is there is as large. Another process may take it first. */
async function takeLarger(left: string, part: string): Promise<void> {
  const [theirs, ours] = await Promise.all([sizeOf(left), sizeOf(part)]);
  if (theirs === undefined) return;
  await (theirs > (ours ?? -1) ? rename(left, part) : rm(left, { force: true })).catch(() => undefined);
}

/** Keeps what a failed download has; an empty file is removed. */
async function park(part: string, target: string): Promise<void> {
  const size = await sizeOf(part);
  if (size !== undefined && size > 0) await takeLarger(part, parkedPath(target));
  await rm(part, { force: true }).catch(() => undefined);
}

async function sizeOf(path: string): Promise<number | undefined> {
  return lstat(path).then(
    (found) => (found.isFile() ? found.size : undefined),
    () => undefined,
  );
}

interface Progress {
  /** Called for each piece; tells the listener a few times a second. */
  at(bytes: number, totalBytes: number | undefined): void;
  end(): void;
}

const TELL_MS = 100;

function progressOf(name: string): Progress {
  const { onProgress } = downloadListener();
  let state = { name, bytes: 0, totalBytes: undefined as number | undefined, ended: false };
  let told = -Infinity;
  return {
    at(bytes, totalBytes) {
      state = { ...state, bytes, totalBytes };
      if (performance.now() - told < TELL_MS) return;
      told = performance.now();
      onProgress?.(state);
    },
    end: () => onProgress?.({ ...state, ended: true }),
  };
}

async function fillFromAny(wanted: Download, part: string, progress: Progress): Promise<void> {
  for (const [i, url] of wanted.urls.entries()) {
    try {
      return await fill(wanted, url, part, progress);
    } catch (error) {
      // the first address has the error to report, unless a later one works
      if (!(error instanceof RankDistillmError) || i + 1 === wanted.urls.length) throw error;
      throwIfAborted(downloadListener().signal);
    }
  }
}

async function fill(wanted: Download, url: string, part: string, progress: Progress): Promise<void> {
  const { digest, name } = wanted;
  let reached = 0;
  const progressed = (bytes: number): boolean => {
    const isFurther = bytes > reached;
    reached = bytes;
    return isFurther;
  };
  for (let again = false; ; again = true) {
    await withRetries(
      name,
      () => transfer(wanted, url, part, progress),
      async () => {
        await utimes(part, new Date(), new Date()); // still alive
        return progressed((await stat(part)).size);
      },
    );
    const found = digest === undefined ? undefined : await digestOf(part, digest.algorithm);
    if (found === digest?.hex.toLowerCase()) return;
    // what was there before may be of another version, or damaged
    await truncate(part);
    if (again) throw otherContent(wanted, found!);
  }
}

/** Appends what is missing to the temporary file. */
async function transfer(wanted: Download, url: string, part: string, progress: Progress): Promise<void> {
  const { name, size: exact } = wanted;
  let have = (await stat(part)).size;
  // without a checksum nothing shows that the rest is of the same version
  if (wanted.digest === undefined || (exact !== undefined && have > exact)) await truncate(part, (have = 0));
  if (exact === have && have > 0) return;
  const range: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {};
  const answer = await send({ ...wanted, url, headers: { ...wanted.headers, ...range } });
  const start = startOf(answer, have);
  if (start === undefined) {
    await discard(answer);
    await truncate(part);
    throw new Transient('the server refuses the rest of the file');
  }
  const handle = await open(part, 'r+');
  try {
    if (start !== have) await handle.truncate((have = start));
    const rest = numberOf(answer.headers['content-length']);
    const total = exact ?? (rest === undefined ? undefined : have + rest);
    if (exact !== undefined && rest !== undefined && have + rest !== exact) {
      await discard(answer);
      throw badAnswer(name, answer.url, `a file of ${have + rest} bytes instead of ${exact}`);
    }
    await assertSpace(wanted, part, total === undefined ? 0 : total - have, () => discard(answer));
    progress.at(have, total);
    for await (const chunk of bodyOf(answer)) {
      if (total !== undefined && have + chunk.length > total) {
        await discard(answer);
        throw badAnswer(name, answer.url, `more than ${total} bytes`);
      }
      await writeAll(handle, chunk, have);
      have += chunk.length;
      progress.at(have, total);
    }
    if (total !== undefined && have < total) throw new Transient('connection cut');
  } finally {
    await handle.close();
  }
}

/** Where in the file the answer starts; undefined if not where it can be used. */
function startOf({ status, headers }: HttpAnswer, have: number): number | undefined {
  if (status === 200) return 0;
  const range = /^bytes (\d+)-\d+\//.exec(headers['content-range'] ?? '');
  return status === 206 && Number(range?.[1]) === have ? have : undefined;
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Before hours of downloading, not after. */
async function assertSpace(
  wanted: Download,
  part: string,
  missing: number,
  release: () => Promise<void>,
): Promise<void> {
  const needed = missing + (wanted.unpackedSize ?? 0);
  const free = await statfs(dirname(part)).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => Infinity,
  );
  if (needed === 0 || needed + SPARE_BYTES <= free) return;
  await release();
  throw noSpace(wanted, undefined, `needs ${megabytes(needed)}, but only ${megabytes(free)} are free`);
}

export function noSpace(
  { name, target, movedBy }: Pick<Download, 'name' | 'target' | 'movedBy'>,
  cause: unknown,
  what = 'no space is left',
): RankDistillmError {
  return new RankDistillmError('io', `${name}: ${what} on the disk of ${dirname(target)}`, {
    hint: `Make room, or set ${movedBy} to a folder on a larger disk.`,
    cause,
  });
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}

export async function digestOf(path: string, algorithm: Digest['algorithm']): Promise<string> {
  const hash = createHash(algorithm === 'git' ? 'sha1' : algorithm);
  if (algorithm === 'git') hash.update(`blob ${(await stat(path)).size}\0`);
  const { signal } = downloadListener();
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024, signal }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function otherContent({ name, urls, digest }: Download, found: string): RankDistillmError {
  const kind = digest!.algorithm === 'git' ? 'Git hash' : digest!.algorithm.toUpperCase();
  return new RankDistillmError(
    'io',
    `${name}: the content from ${new URL(urls[0]).host} has the ${kind} ${found} instead of ${digest!.hex}, twice`,
    { hint: 'The file was changed or is damaged on the way: check proxies, and for a newer version of rank-distillm.' },
  );
}
