import { once } from 'node:events';
import { createWriteStream, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashOfFile } from './hash.mjs';
import { asDiskError, say, SetupError } from './say.mjs';

const TRIES = 4;
/** A connection that sends nothing for this long is given up; the next try resumes. */
const STALL_MS = 60_000;

const megabytes = (/** @type {number} */ bytes) => (bytes / 1e6).toFixed(0);

/** A bar on a terminal, a line every five seconds elsewhere. @param {string} label @param {number} total 0 if unknown */
function progressOf(label, total) {
  const terminal = process.stderr.isTTY;
  let next = 0;
  return {
    /** @param {number} done */
    show(done, last = false) {
      const now = Date.now();
      if (now < next && !last) return;
      next = now + (terminal ? 100 : 5000);
      const share = total > 0 ? done / total : 0;
      const figures = `${megabytes(done)}${total > 0 ? ` of ${megabytes(total)}` : ''} MB`;
      if (!terminal) return say(`${label}: ${figures}`);
      const bar = '='.repeat(Math.round(share * 30)).padEnd(30);
      process.stderr.write(`\r${label} [${bar}] ${figures} ${last ? '\n' : ''}`);
    },
  };
}

/** Adds to `partial` what is still missing of it. @param {string} url @param {string} partial @param {string} label */
async function fetchRest(url, partial, label) {
  const have = existsSync(partial) ? statSync(partial).size : 0;
  const abort = new AbortController();
  let stall = setTimeout(() => abort.abort(new Error('the connection stalled')), STALL_MS);
  try {
    const response = await fetch(url, { headers: have > 0 ? { Range: `bytes=${have}-` } : {}, signal: abort.signal });
    // 416: nothing is left to fetch, or the file has changed; the check of the hash tells which.
    if (response.status === 416) return;
    if (!response.ok || !response.body) {
      const error = new Error(`${response.status} ${response.statusText}`);
      throw Object.assign(error, { final: response.status >= 400 && response.status < 500 });
    }
    const resumes = response.status === 206;
    let done = resumes ? have : 0;
    const progress = progressOf(label, done + Number(response.headers.get('content-length') ?? 0));
    const body = Readable.fromWeb(/** @type {import('node:stream/web').ReadableStream} */ (response.body));
    body.on('data', (/** @type {Buffer} */ chunk) => {
      clearTimeout(stall);
      stall = setTimeout(() => abort.abort(new Error('the connection stalled')), STALL_MS);
      progress.show((done += chunk.length));
    });
    const out = createWriteStream(partial, { flags: resumes ? 'a' : 'w' });
    const closed = once(out, 'close');
    // A broken connection ends the pipeline while a write may be under way: the next try must not take the file's size
    // before that write is in it.
    await pipeline(body, out).finally(() => closed);
    progress.show(done, true);
  } finally {
    clearTimeout(stall);
  }
}

/** @param {unknown} error */
function reasonOf(error) {
  const { message, cause } = /** @type {Error & { cause?: Error }} */ (error);
  return cause?.message ? `${message}: ${cause.message}` : message;
}

/**
 * Fetches a file. An interrupted download stays as `<file>.partial` and is resumed, also by a later call; the file
 * itself appears only when its SHA-256 is right.
 * @param {string} url
 * @param {string} file
 * @param {{ sha256: string, label: string, pause?: number }} options `pause`: milliseconds before the second try
 */
export async function download(url, file, { sha256, label, pause = 1000 }) {
  const partial = `${file}.partial`;
  for (let attempt = 1; ; attempt++) {
    try {
      await fetchRest(url, partial, label);
      break;
    } catch (error) {
      const ours = asDiskError(error, partial);
      if (ours !== error) throw ours; // trying again, or another network, mends no disk
      const final = /** @type {{ final?: boolean }} */ (error).final === true;
      if (final || attempt === TRIES) {
        throw new SetupError(
          `${url}: cannot be fetched: ${reasonOf(error)}`,
          'Check the network; what has arrived is kept and resumed.',
        );
      }
      say(`${label}: ${reasonOf(error)}; trying again`);
      await sleep(pause * 2 ** (attempt - 1));
    }
  }
  const found = await hashOfFile(partial);
  if (found !== sha256) {
    rmSync(partial);
    throw new SetupError(
      `${url}: SHA-256 is ${found}, expected ${sha256}; the file was thrown away`,
      'Run the command again. If the hash stays the same, somebody between here and the server changes the file.',
    );
  }
  renameSync(partial, file);
}
