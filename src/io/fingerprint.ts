import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { ioError } from '../errors.js';
import { readRegion } from './regions.js';

/** Up to here a file is hashed whole: a fraction of a second. */
const WHOLE_BYTES = 64 * 2 ** 20;
/** Blocks of a larger file that are hashed, 4 MiB in all. */
const FILE_SAMPLES = { blocks: 256, bytes: 16 * 2 ** 10 };

/** A block of a file or of an array. */
export interface Block {
  offset: number;
  length: number;
}

/**
 * Blocks at equal distances, the first and the last bytes among them; all of it where that is no more.
 *
 * @param length bytes to take blocks of
 */
export function* sampleBlocks(length: number, { blocks, bytes }: { blocks: number; bytes: number }): Generator<Block> {
  if (length <= blocks * bytes) {
    yield { offset: 0, length };
    return;
  }
  for (let i = 0; i < blocks; i++) {
    yield { offset: Math.floor((i * (length - bytes)) / (blocks - 1)), length: bytes };
  }
}

/** `sha256:<hex>` of a file's bytes as they are stored: a gzipped file is another one than its content. */
export async function fingerprintFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  } catch (error) {
    throw ioError('read', path, error);
  }
  return `sha256:${hash.digest('hex')}`;
}

/**
 * The same for files that may have gigabytes, such as collections: those above 64 MiB are told apart by their size and
 * 256 blocks of 16 KiB at equal distances, `sampled-sha256:<hex>`. Another version of a collection has another size or
 * differs in many places; one that was changed by hand in a few places, with its size kept, may count as the same.
 */
export async function fingerprintLargeFile(path: string): Promise<string> {
  const { size } = await stat(path).catch((error: unknown) => Promise.reject(ioError('read', path, error)));
  if (size <= WHOLE_BYTES) return fingerprintFile(path);
  const hash = createHash('sha256').update(`${size}\n`);
  const handle = await open(path, 'r').catch((error: unknown) => Promise.reject(ioError('read', path, error)));
  try {
    for (const { offset, length } of sampleBlocks(size, FILE_SAMPLES)) {
      hash.update(await readRegion(handle, offset, length, path));
    }
  } finally {
    await handle.close();
  }
  return `sampled-sha256:${hash.digest('hex')}`;
}

/** `sha256:<hex>` of texts, each with its length, so that no two lists of texts give the same bytes. */
export class TextsFingerprint {
  readonly #hash: Hash = createHash('sha256');

  add(text: string): void {
    this.#hash.update(`${Buffer.byteLength(text)}\n`).update(text);
  }

  digest(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}

/** One thing that decides a result. */
export interface Fact {
  value: string | number | boolean | null;
  /** How the value is shown; default: as it is. */
  shown?: string | undefined;
  /** Name of a fact whose difference explains one in this. */
  follows?: string | undefined;
}

/** What decides a result, by name: two results are the same where all values are. */
export type Facts = Readonly<Record<string, Fact>>;

/** What differs, a clause each: `depth was 8 and is now 6`. */
export function differences(before: Facts, now: Facts): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  const differ = new Set(names.filter((name) => before[name]?.value !== now[name]?.value));
  return [...differ]
    .filter((name) => !differ.has((now[name] ?? before[name])?.follows ?? ''))
    .map((name) => `${name} was ${show(before[name])} and is now ${show(now[name])}`);
}

function show(fact: Fact | undefined): string {
  return fact === undefined || fact.value === null ? 'not set' : (fact.shown ?? String(fact.value));
}

/** A value and its fingerprint's first digits, enough to tell two apart. */
export function fingerprintFact(fingerprint: string, name = ''): Fact {
  const digits = fingerprint.replace(/^.*:/, '').slice(0, 8);
  return { value: fingerprint, shown: name === '' ? digits : `${name} (${digits})` };
}
