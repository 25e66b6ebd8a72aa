/** Entry point of the text-reading thread, see `TextThread`. */
import { readSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { ioError } from '../../errors.js';
import { answerRequests } from '../../io/request-thread.js';
import { groupReads, nameOf, notAsIndexed, textsOf, type ReadGroup, type TextSource } from './text-places.js';
import type { TextRequest } from './text-thread.js';

const source = workerData as TextSource;

function read({ offset, length }: ReadGroup): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const bytes = readBytes(buffer, done, length - done, offset + done);
    if (bytes === 0) throw notAsIndexed(source);
    done += bytes;
  }
  return buffer;
}

function readBytes(buffer: Buffer, at: number, length: number, position: number): number {
  try {
    return readSync(source.file, buffer, at, length, position);
  } catch (error) {
    throw ioError('read', nameOf(source), error);
  }
}

function textsAt({ docIds, regions }: TextRequest): string[] {
  const places = docIds.map((docId, i) => {
    const numbers = regions.subarray(4 * i, 4 * i + 4);
    const [offset, length, line, checksum] = numbers as unknown as [number, number, number, number];
    return { docId, offset, length, line, checksum };
  });
  return groupReads(places).flatMap((group) => textsOf(group, read(group), source));
}

answerRequests(textsAt);
