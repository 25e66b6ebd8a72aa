/** Entry point of the text-reading thread, see `TextThread`. */
import { openSync, readSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { ioError } from '../../errors.js';
import { changedWhileRead } from '../../io/regions.js';
import { answerRequests } from '../../io/request-thread.js';
import { groupReads, nameOf, textsOf, type ReadGroup, type TextSource } from './text-places.js';
import type { TextRequest } from './text-thread.js';

const source = workerData as TextSource;
const plain = openSync(source.plain, 'r');

function read({ offset, length }: ReadGroup): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const bytes = readBytes(buffer, done, length - done, offset + done);
    if (bytes === 0) throw changedWhileRead(nameOf(source));
    done += bytes;
  }
  return buffer;
}

function readBytes(buffer: Buffer, at: number, length: number, position: number): number {
  try {
    return readSync(plain, buffer, at, length, position);
  } catch (error) {
    throw ioError('read', nameOf(source), error);
  }
}

function textsAt({ docIds, regions }: TextRequest): string[] {
  const places = docIds.map((docId, i) => {
    const [offset, length, line] = regions.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number];
    return { docId, offset, length, line };
  });
  return groupReads(places).flatMap((group) => textsOf(group, read(group), source));
}

answerRequests(textsAt);
