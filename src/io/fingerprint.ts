import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { ioError } from '../errors.js';
import { readRegion } from './regions.js';

/** Files up to this size are hashed whole, in a fraction of a second. */
const WHOLE_BYTES = 64 * 2 ** 20;
/** Blocks hashed of a larger file, 4 MiB in total. */
const FILE_SAMPLES = { blocks: 256, bytes: 16 * 2 ** 10 };

/** A block of a file or of an array. */
export interface Block {
  offset: number;
  length: number;
}

/**
 * Equally spaced blocks, including the first and the last bytes; everything if that is not more.
 *
 * @param length number of bytes to sample
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

/** `sha256:<hex>` of a file's stored bytes: a gzipped file differs from its content. */
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
 * The same for large files such as collections: above 64 MiB the hash covers the size and 256 equally spaced blocks of
 * 16 KiB, `sampled-sha256:<hex>`. Another version of a collection has another size or differs in many places; a few
 * edits that keep the size may go undetected.
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

/** `sha256:<hex>` of a list of texts. Each is hashed with its length, so different lists give different bytes. */
export class TextsFingerprint {
  readonly #hash: Hash = createHash('sha256');

  add(text: string): void {
    this.#hash.update(`${Buffer.byteLength(text)}\n`).update(text);
  }

  digest(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}

/** One input that determines a result. */
export interface Fact {
  value: string | number | boolean | null;
  /** Display form of the value. Default: the value. */
  shown?: string | undefined;
  /** Name of a fact whose difference explains a difference in this one. */
  follows?: string | undefined;
}

/** The inputs that determine a result, by name: equal facts give equal results. */
export type Facts = Readonly<Record<string, Fact>>;

const inTime = (name: string, before: string, now: string): string => `${name} was ${before} and is now ${now}`;

/** The differences, one clause each: `depth was 8 and is now 6`, or as `worded`. */
export function differences(before: Facts, now: Facts, worded = inTime): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  const differ = new Set(names.filter((name) => before[name]?.value !== now[name]?.value));
  return [...differ]
    .filter((name) => !differ.has((now[name] ?? before[name])?.follows ?? ''))
    .map((name) => worded(name, show(before[name]), show(now[name])));
}

function show(fact: Fact | undefined): string {
  return fact === undefined || fact.value === null ? 'not set' : (fact.shown ?? String(fact.value));
}

/** A fingerprint as a fact, shown by its first digits. */
export function fingerprintFact(fingerprint: string, name = ''): Fact {
  const digits = fingerprint.replace(/^.*:/, '').slice(0, 8);
  return { value: fingerprint, shown: name === '' ? digits : `${name} (${digits})` };
}
