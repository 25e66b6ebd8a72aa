import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rm, rmdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import { sync } from '../io/atomic-write.js';
import { loadBinding } from '../io/load-binding.js';
import { makeFolder } from '../io/make-folder.js';
import { outputFile } from '../io/output-file.js';
import { changedWhileRead, openNameless, readRegion } from '../io/regions.js';
import { outputError } from './provenance.js';

// A journal holds the finished topics of a run that is being computed: `.dev.run.partial` beside `dev.run`. It begins with
// the identity of the result; then each topic is a record that is appended when the topic is finished:
//
//   # rank-distillm journal 1 <bytes of the next line> <its sha256>
//   # {"identity": …}
//   # topic <index> <bytes of its lines> <seconds of scoring so far> <sha256>
//   q1⇥0⇥d7⇥1⇥3.25⇥MonoElectraModel
//   …
//
// The sha256 of a record covers the one before, so that a record counts only behind those it was written after: a file
// that was cut, damaged, or put together from two journals is read up to the first record that does not fit.
//
// Records are written at once, without a buffer, so that they survive the end of the process; at least once a second they
// are synced to disk (fdatasync), so that a power cut costs the work of a second.

const HEADER = /^# rank-distillm journal (\d{1,9}) (\d{1,7}) ([0-9a-f]{64})\n/;
const MAGIC = '# rank-distillm journal ';
const VERSION = 1;
const LONGEST_HEADER = 16 * 2 ** 20;
const RECORD = /^# topic (\d{1,10}) (\d{1,15}) (\d{1,12}\.\d{3}) ([0-9a-f]{64})\n/;
const LONGEST_RECORD_HEAD = 128;
const SYNC_MS = 1000;

/** Where the lines of a topic are. */
interface Region {
  reader: BlockReader;
  offset: number;
  bytes: number;
}

const sha256 = (...parts: (string | Buffer)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** Path of a run's journal; a run behind a link has it beside the file that the link leads to. */
export async function journalPath(output: string): Promise<string> {
  const target = await outputFile(output);
  const name = basename(target);
  // Linux file systems allow 255 bytes
  const isTooLong = Buffer.byteLength(`.${name}.partial`) > 255;
  return join(dirname(target), `.${isTooLong ? sha256(name) : name}.partial`);
}

/**
 * The journal of a run. While it is open the file is locked, so that one process at a time writes the run; the kernel
 * releases the lock when the process ends in any way.
 */
export class RunJournal {
  readonly path: string;
  /** The path as it is shown, relative where that of the run is. */
  readonly name: string;
  /** What `begin` was given; undefined for a new or damaged journal. */
  header: Record<string, unknown> | undefined;
  /** Seconds of scoring when the last topic was finished, over all processes that wrote to it. */
  seconds = 0;
  /** Bytes at the end of the file that were found incomplete or damaged, and do not count. */
  damagedBytes = 0;
  readonly #output: string;
  readonly #file: FileHandle;
  readonly #reader: BlockReader;
  /** Made for the journal, outermost first. */
  readonly #folders: readonly string[];
  /** By index of the topic. */
  #topics: (Region | undefined)[] = [];
  #count = 0;
  #kept = 0;
  /** The sum of the last record. */
  #sum = '';
  /** End of the last record. */
  #end = 0;
  /** A nameless file for topics after the journal could not be written any more, see `add`. */
  #spare: { file: FileHandle; reader: BlockReader; end: number } | undefined;
  #syncedAt = performance.now();
  #syncing: Promise<void> | undefined;
  #closed = false;
  #syncError: RankDistillmError | undefined;

  private constructor(output: string, path: string, file: FileHandle, folders: readonly string[]) {
    this.#output = output;
    this.#folders = folders;
    this.path = path;
    const beside = join(dirname(output), basename(path));
    this.name = resolve(beside) === path ? beside : path;
    this.#file = file;
    this.#reader = new BlockReader(file, this.name);
  }

  /**
   * Opens, locks and reads the journal of a run, or makes an empty one.
   *
   * @param onWarning hears when the file system has no locks
   * @throws RankDistillmError `bad_input` if another process writes the run, or for another file of this name;
   *   `unsupported` for a journal of a newer release; `io`
   */
  static async open(output: string, onWarning: (message: string) => void): Promise<RunJournal> {
    const path = await journalPath(output);
    const folders = await makeFolder(dirname(path));
    for (;;) {
      const file = await openFile(path);
      try {
        if (!lock(file, output, onWarning)) {
          throw outputError(`${output}: another process is writing it`, {
            hint: 'Wait until that process has ended, or write another file.',
          });
        }
        // the process that held the lock may have finished, and removed the file that was opened
        if (await isAt(file, path)) {
          const journal = new RunJournal(output, path, file, folders);
          await journal.#read();
          return journal;
        }
      } catch (error) {
        await file.close();
        throw error;
      }
      await file.close();
    }
  }

  /** Number of finished topics. */
  get count(): number {
    return this.#count;
  }

  /** Number of finished topics that a later process finds: none if someone removed the file. */
  async kept(): Promise<number> {
    return (await isAt(this.#file, this.path)) ? this.#kept : 0;
  }

  /** Whether a topic is finished. */
  has(index: number): boolean {
    return this.#topics[index] !== undefined;
  }

  /** Makes the journal an empty one of another result. */
  async begin(header: Record<string, unknown>): Promise<void> {
    const line = `# ${JSON.stringify(header)}\n`;
    const bytes = Buffer.byteLength(line);
    if (bytes > LONGEST_HEADER) throw new RangeError(`a header of ${bytes} bytes`);
    this.header = header;
    this.seconds = this.damagedBytes = this.#count = this.#kept = 0;
    this.#topics = [];
    this.#sum = sha256(line);
    const text = Buffer.from(`${MAGIC}${VERSION} ${bytes} ${this.#sum}\n${line}`);
    this.#reader.forget();
    try {
      await this.#file.truncate(0);
      this.#end = await writeAll(this.#file, text, 0);
      await this.#file.datasync();
      await sync(dirname(this.path));
    } catch (error) {
      throw ioError('write', this.name, error);
    }
  }

  /** Cuts off what was found damaged, and continues behind it. */
  async continue(): Promise<void> {
    this.#reader.forget();
    try {
      await this.#file.truncate(this.#end);
    } catch (error) {
      throw ioError('write', this.name, error);
    }
  }

  /**
   * Appends a finished topic. Where the disk is full, this and all later topics go to a temporary file elsewhere: they
   * count for this process, and a later one computes them again.
   *
   * @param seconds of scoring so far, over all processes
   * @param onWarning hears of that
   */
  async add(index: number, text: string, seconds: number, onWarning: (message: string) => void): Promise<void> {
    if (this.#syncError !== undefined) throw this.#syncError;
    const lines = Buffer.from(text);
    const fields = `${index} ${lines.length} ${seconds.toFixed(3)}`;
    const sum = sha256(this.#sum, fields, '\n', lines);
    const record = Buffer.concat([Buffer.from(`# topic ${fields} ${sum}\n`), lines]);
    if (this.#spare === undefined) {
      try {
        this.#end = await writeAll(this.#file, record, this.#end);
        this.#kept += 1;
        this.#syncSometimes();
      } catch (error) {
        onWarning(
          `${ioError('write', this.name, error).message}; scoring goes on, but the topics from here on are lost ` +
            'if this process does not end well',
        );
        const { handle: file } = await openNameless();
        this.#spare = { file, reader: new BlockReader(file, this.name), end: 0 };
      }
    }
    let [reader, end] = [this.#reader, this.#end];
    if (this.#spare !== undefined) {
      this.#spare.end = end = await writeAll(this.#spare.file, record, this.#spare.end).catch((error: unknown) =>
        Promise.reject(ioError('write', this.#output, error)),
      );
      reader = this.#spare.reader;
    }
    this.#sum = sum;
    this.seconds = seconds;
    this.#set(index, { reader, offset: end - lines.length, bytes: lines.length });
  }

  /** The lines of a finished topic. Those of topics finished one after the other are read together. */
  async text(index: number): Promise<string> {
    const { reader, offset, bytes } = this.#topics[index]!;
    const lines = await reader.read(offset, bytes);
    if (lines.length < bytes) throw changedWhileRead(this.name);
    return lines.toString('utf8');
  }

  /** Of the run that the first `count` topics make, as in its record. */
  async fingerprint(count: number): Promise<string> {
    const hash = createHash('sha256');
    for (let index = 0; index < count; index++) hash.update(await this.text(index));
    return `sha256:${hash.digest('hex')}`;
  }

  /** Removes the journal and releases the lock. Call it when the run and its record are in their places. */
  async remove(): Promise<void> {
    if (this.#closed) return;
    // a finished run is skipped in spite of a journal, so nothing here is an error
    await sync(dirname(this.path)).catch(() => undefined); // the run's name first
    if (await isAt(this.#file, this.path)) await rm(this.path, { force: true }).catch(() => undefined);
    await this.#close();
    // those that hold nothing: no run came of it
    for (const folder of this.#folders.toReversed()) await rmdir(folder).catch(() => undefined);
  }

  /**
   * Releases the lock. The journal stays for a later process, unless it holds nothing.
   *
   * @param keepEmpty keeps it in any case
   */
  async close(keepEmpty = false): Promise<void> {
    if (this.#closed) return;
    if (this.#kept === 0 && !keepEmpty) return this.remove();
    await this.#syncing;
    await this.#file.datasync().catch(() => undefined); // a later process checks what it reads
    await this.#close();
  }

  async #close(): Promise<void> {
    this.#closed = true;
    await this.#syncing;
    await this.#spare?.file.close();
    await this.#file.close();
  }

  #set(index: number, region: Region): void {
    if (this.#topics[index] === undefined) this.#count += 1;
    this.#topics[index] = region;
  }

  #syncSometimes(): void {
    if (this.#syncing !== undefined || performance.now() - this.#syncedAt < SYNC_MS) return;
    this.#syncing = this.#file
      .datasync()
      .catch((error: unknown) => {
        this.#syncError = ioError('write', this.name, error);
      })
      .finally(() => {
        this.#syncing = undefined;
        this.#syncedAt = performance.now();
      });
  }

  /** Reads header and records; stops at the first that does not fit. */
  async #read(): Promise<void> {
    const reader = this.#reader;
    const { size } = await this.#file.stat();
    await this.#readHeader(reader, size);
    while (this.header !== undefined) {
      const head = RECORD.exec((await reader.read(this.#end, LONGEST_RECORD_HEAD)).toString('latin1'));
      if (!head) break;
      const [line, index, bytes, seconds, sum] = head as unknown as [string, string, string, string, string];
      const region = { reader, offset: this.#end + line.length, bytes: Number(bytes) };
      const end = region.offset + region.bytes;
      if (end > size || this.has(Number(index))) break;
      const hash = createHash('sha256').update(`${this.#sum}${index} ${bytes} ${seconds}\n`);
      for (let at = region.offset; at < end;) {
        const part = await reader.read(at, Math.min(BLOCK_BYTES, end - at));
        hash.update(part);
        at += part.length;
      }
      if (hash.digest('hex') !== sum) break;
      this.#set(Number(index), region);
      this.#sum = sum;
      this.seconds = Number(seconds);
      this.#end = end;
    }
    this.#kept = this.#count;
    this.damagedBytes = size - this.#end;
  }

  async #readHeader(reader: BlockReader, size: number): Promise<void> {
    const start = await reader.read(0, 128);
    const [first, version, bytes, sum] = HEADER.exec(start.toString('latin1')) ?? [];
    if (first === undefined) {
      if (mayBeTorn(start)) return;
      throw outputError(`${this.name}: is not a journal that rank-distillm wrote`, {
        hint: `${this.#output} needs this name while it is computed; move the file away.`,
      });
    }
    if (Number(version) !== VERSION) {
      const message = `${this.name}: has format version ${version}; this release reads ${VERSION}`;
      const hint = 'Use the release that began the run, or remove the file to begin again.';
      throw new RankDistillmError('unsupported', message, { hint });
    }
    const length = Number(bytes);
    if (length > LONGEST_HEADER || first.length + length > size) return;
    const line = await reader.read(first.length, length);
    if (sha256(line) !== sum) return;
    this.header = JSON.parse(line.toString('utf8', '# '.length)) as Record<string, unknown>;
    this.#sum = sum;
    this.#end = first.length + length;
  }
}

/** Whether these are the first bytes of a journal whose header did not get to the disk: some are zero or missing. */
function mayBeTorn(start: Buffer): boolean {
  return start.subarray(0, MAGIC.length).every((byte, i) => byte === 0 || byte === MAGIC.charCodeAt(i));
}

const BLOCK_BYTES = 2 ** 20;

/** Reads small pieces of a file by blocks. */
class BlockReader {
  #block: Buffer = Buffer.alloc(0);
  #start = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly name: string,
  ) {}

  /** Call it when bytes that were read may change. */
  forget(): void {
    this.#block = Buffer.alloc(0);
  }

  /** @returns fewer bytes at the end of the file */
  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < this.#start || offset + length > this.#start + this.#block.length) {
      const { size } = await this.file.stat();
      const bytes = Math.min(Math.max(length, BLOCK_BYTES), size - offset);
      this.#block = bytes > 0 ? await readRegion(this.file, offset, bytes, this.name) : Buffer.alloc(0);
      this.#start = offset;
    }
    return this.#block.subarray(offset - this.#start, offset - this.#start + length);
  }
}

async function openFile(path: string): Promise<FileHandle> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    const file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0o666);
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ELOOP' && code !== 'ENXIO') throw ioError('write', path, error);
  }
  throw outputError(`${path}: is not a regular file`, { hint: 'Move it away.' });
}

/** Whether this process has the file for itself now. */
function lock(file: FileHandle, output: string, onWarning: (message: string) => void): boolean {
  try {
    return loadBinding().lockFile(file.fd);
  } catch (error) {
    if (error instanceof RankDistillmError) throw error;
    const why = (error as Error).message;
    onWarning(`${output}: the file system cannot lock files (${why}); let only one process at a time write this run`);
    return true;
  }
}

async function isAt(file: FileHandle, path: string): Promise<boolean> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  const { dev, ino } = await file.stat({ bigint: true });
  return found?.dev === dev && found.ino === ino;
}

/** @returns where the bytes end */
async function writeAll(file: FileHandle, bytes: Buffer, offset: number): Promise<number> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
  }
  return offset + bytes.length;
}
