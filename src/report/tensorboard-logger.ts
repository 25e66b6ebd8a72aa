import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ioError } from '../errors.js';
import { makeFolder } from '../io/make-folder.js';
import { type MetricLogger, prefixed } from './metric-logger.js';

export interface TensorBoardLoggerOptions {
  /** Prefix of each name, followed by a dash. Default: none. */
  prefix?: string | undefined;
  /** Step that a resumed run continues from: TensorBoard drops events of later steps. */
  resumedAt?: number | undefined;
  /** Milliseconds since 1970. */
  now?: (() => number) | undefined;
}

/** Makes names unique when a process opens several files within a second. */
let filesOpened = 0;

/**
 * Writes scalars (float32) to TensorBoard's event files. Each log is one write of complete records, and TensorBoard
 * stops at a truncated record, so a killed run leaves a readable file.
 */
export class TensorBoardLogger implements MetricLogger {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #prefix: string | undefined;
  readonly #now: () => number;

  private constructor(path: string, handle: FileHandle, options: TensorBoardLoggerOptions) {
    this.path = path;
    this.#handle = handle;
    this.#prefix = options.prefix;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Creates an event file in `folder`, and the folder if it does not exist.
   * @throws io when the folder cannot be written to
   */
  static async open(folder: string, options: TensorBoardLoggerOptions = {}): Promise<TensorBoardLogger> {
    const seconds = Math.floor((options.now ?? Date.now)() / 1000);
    const name = `events.out.tfevents.${String(seconds).padStart(10, '0')}.${hostname()}.${process.pid}.${filesOpened++}`;
    const path = join(folder, name);
    await makeFolder(folder);
    let handle: FileHandle;
    try {
      handle = await open(path, 'wx');
    } catch (error) {
      throw ioError('write', path, error);
    }
    const logger = new TensorBoardLogger(path, handle, options);
    const { resumedAt } = options;
    await logger.#write(
      resumedAt === undefined
        ? [{ fileVersion: 'brain.Event:2' }]
        : [
            { fileVersion: 'brain.Event:2', step: resumedAt + 1 },
            { sessionStart: true, step: resumedAt + 1 },
          ],
    );
    return logger;
  }

  async log(metrics: Readonly<Record<string, number>>, step: number): Promise<void> {
    const scalars = Object.entries(prefixed(metrics, this.#prefix));
    await this.#write(scalars.map(([tag, value]) => ({ step, scalar: { tag, value } })));
  }

  async flush(): Promise<void> {
    await this.#handle.datasync().catch((error: unknown) => {
      throw ioError('write', this.path, error);
    });
  }

  async close(): Promise<void> {
    await this.flush().finally(() => this.#handle.close());
  }

  async #write(events: readonly Omit<TensorBoardEvent, 'wallTime'>[]): Promise<void> {
    const wallTime = this.#now() / 1000;
    const records = events.map((event) => frameRecord(encodeEvent({ ...event, wallTime })));
    await this.#handle.appendFile(Buffer.concat(records)).catch((error: unknown) => {
      throw ioError('write', this.path, error);
    });
  }
}

/** The fields of tensorboard/compat/proto/event.proto and summary.proto that a log of scalars needs. */
export interface TensorBoardEvent {
  /** Seconds since 1970. */
  wallTime: number;
  step?: number;
  /** Field 3: marks the first event of a file. */
  fileVersion?: string;
  /** Field 5: one value of a summary. */
  scalar?: { tag: string; value: number };
  /** Field 7: a run resumes here; TensorBoard drops earlier events of this step and later ones. */
  sessionStart?: boolean;
}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
/** SessionLog.SessionStatus.START */
const START = 1;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

const key = (field: number, type: number): Buffer => varint((field << 3) | type);

function bytesField(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([key(field, BYTES), varint(bytes.length), bytes]);
}

function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([key(field, FIXED64), bytes]);
}

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([key(field, FIXED32), bytes]);
}

const varintField = (field: number, value: number): Buffer => Buffer.concat([key(field, VARINT), varint(value)]);

/** Encodes an event as a protocol buffer: fields in the order of their numbers, zeros omitted, as protobuf does. */
function encodeEvent(event: TensorBoardEvent): Buffer {
  const parts = [doubleField(1, event.wallTime)];
  if (event.step) parts.push(varintField(2, event.step));
  if (event.fileVersion !== undefined) parts.push(bytesField(3, Buffer.from(event.fileVersion)));
  if (event.scalar) {
    const value = Buffer.concat([bytesField(1, Buffer.from(event.scalar.tag)), floatField(2, event.scalar.value)]);
    parts.push(bytesField(5, bytesField(1, value)));
  }
  if (event.sessionStart) parts.push(bytesField(7, varintField(1, START)));
  return Buffer.concat(parts);
}

/** TFRecord masks its checksums, because the CRC of data that contains CRCs is weak. */
const MASK_DELTA = 0xa282ead8;

function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}

/**
 * A TFRecord: length (8 bytes) and its checksum (4), then the data and its checksum (4), all little-endian
 * (https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details).
 */
function frameRecord(data: Uint8Array): Buffer {
  const record = Buffer.alloc(data.length + 16);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return record;
}

/** Polynomial 0x1EDC6F41 of CRC-32C (Castagnoli), reflected: https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4 */
const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

/** CRC-32C as an unsigned number. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}
