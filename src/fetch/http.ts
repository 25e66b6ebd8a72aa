import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import { packageVersion } from '../io/package-version.js';
import { downloadListener } from './downloads.js';

export interface HttpRequest {
  url: string;
  /** The file or the repository, for messages. */
  name: string;
  method?: 'GET' | 'HEAD';
  headers?: Readonly<Record<string, string>> | undefined;
  /** Sent to the host of `url` and to no other. */
  token?: string | undefined;
  /** Whether redirects to another host are followed; without, their answer is returned. Default true. */
  leavesHost?: boolean;
  /** Words an answer of 400 or more, if it knows better than its status. */
  explain?: ((answer: HttpAnswer) => RankDistillmError | undefined) | undefined;
  /** What to do without the network, for hints. */
  instead?: string | undefined;
}

export interface HttpAnswer {
  status: number;
  headers: Readonly<Record<string, string | undefined>>;
  /** Where the answer came from, after redirects. */
  url: string;
  /** Another host answered, so that the token was not sent. */
  leftHost: boolean;
  body: Dispatcher.ResponseData['body'];
}

/** A failure that may pass. */
export class Transient extends Error {
  constructor(
    message: string,
    /** What the server asks for. */
    readonly waitMs?: number,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

const MOST_REDIRECTS = 10;
/** Tries without a byte of progress. */
const MOST_TRIES = 5;
const FIRST_WAIT_MS = 500;
/** A server that asks for more is not waited for. */
const LONGEST_WAIT_MS = 120_000;
/** Without an answer, or between two pieces of one; huggingface_hub's variable, in seconds. */
const TIMEOUT_S = 30;
/** An answer of an API; the list of a repository with 10,000 files takes about 1 MB. */
const MOST_JSON_BYTES = 64 * 1024 * 1024;
const TRANSIENT_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Waiting does not help with these. */
const LASTING_CODES = /^(ENOTFOUND|CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|UND_ERR_INVALID_ARG)/;

let dispatcher: { variables: string; agent: Dispatcher } | undefined;

/** The connections: through the proxies of http_proxy, https_proxy and no_proxy, if set. */
async function agentOf(): Promise<{ request: typeof import('undici').request; agent: Dispatcher }> {
  const { EnvHttpProxyAgent, request } = await import('undici'); // most commands need no network
  const { http_proxy, HTTP_PROXY, https_proxy, HTTPS_PROXY, no_proxy, NO_PROXY } = process.env;
  const variables = JSON.stringify([http_proxy, HTTP_PROXY, https_proxy, HTTPS_PROXY, no_proxy, NO_PROXY]);
  if (dispatcher?.variables !== variables) {
    try {
      dispatcher = { variables, agent: new EnvHttpProxyAgent({ proxyTunnel: false }) };
    } catch (cause) {
      throw new RankDistillmError('bad_input', `http_proxy or https_proxy: ${(cause as Error).message}`, {
        hint: 'Set them to a URL such as http://proxy.example:3128, or unset them.',
        cause,
      });
    }
  }
  return { request, agent: dispatcher.agent };
}

function timeoutMs(): number {
  const seconds = Number(process.env['HF_HUB_DOWNLOAD_TIMEOUT']);
  return (seconds > 0 ? seconds : TIMEOUT_S) * 1000;
}

/**
 * Sends a request and follows redirects.
 *
 * @returns an answer below 400, or 416
 * @throws Transient; RankDistillmError `io`, `not_found`, or the one of `explain`
 */
export async function send(given: HttpRequest): Promise<HttpAnswer> {
  const { request, agent } = await agentOf();
  const { signal } = downloadListener();
  const { name, method = 'GET', token } = given;
  const origin = originOf(given.url, name);
  let url = given.url;
  for (let hops = 0; hops <= MOST_REDIRECTS; hops += 1) {
    throwIfAborted(signal);
    const leftHost = originOf(url, name) !== origin;
    const authorization = token === undefined || leftHost ? {} : { authorization: `Bearer ${token}` };
    const raw = await request(url, {
      method,
      dispatcher: agent,
      headers: {
        'user-agent': `rank-distillm/${packageVersion()}`,
        // a body that is compressed on the way has neither the size nor the ranges of the file
        'accept-encoding': 'identity',
        ...given.headers,
        ...authorization,
      },
      headersTimeout: timeoutMs(),
      bodyTimeout: timeoutMs(),
      signal: signal ?? null,
    }).catch((error: unknown) => Promise.reject(transportError(error, url, given)));
    raw.body.on('error', () => undefined); // whoever reads the body hears of it
    const headers = Object.fromEntries(
      Object.entries(raw.headers).map(([key, value]) => [key, Array.isArray(value) ? value[0] : value]),
    );
    const answer = { status: raw.statusCode, headers, url, leftHost, body: raw.body };
    const { location } = headers;
    if (answer.status >= 300 && answer.status < 400 && location !== undefined) {
      const next = urlOf(location, url, name);
      if (given.leavesHost === false && originOf(next, name) !== origin) return answer;
      await discard(answer);
      url = next;
      continue;
    }
    if (answer.status < 400 || answer.status === 416) return answer;
    await discard(answer);
    throw given.explain?.(answer) ?? statusError(answer, name);
  }
  throw new RankDistillmError('io', `${name}: ${hostOf(url)} redirects more than ${MOST_REDIRECTS} times`, {
    hint: 'Check the address, or try again later.',
  });
}

/** Does `work` again after failures that may pass, with growing waits; `progressed` says whether it came further. */
export async function withRetries<T>(
  name: string,
  work: () => Promise<T>,
  progressed: () => Promise<boolean> = async () => false,
): Promise<T> {
  const { signal, mostTries = MOST_TRIES } = downloadListener();
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof Transient)) throw error;
      if (await progressed()) tries = 1;
      const waitMs = error.waitMs ?? FIRST_WAIT_MS * 2 ** (tries - 1) * (0.75 + Math.random() / 2);
      if (tries >= mostTries || waitMs > LONGEST_WAIT_MS) throw gaveUp(name, error, tries);
      await sleep(waitMs, undefined, { ...(signal && { signal }) }).catch(() => throwIfAborted(signal));
    }
  }
}

function gaveUp(name: string, { message, waitMs, cause }: Transient, tries: number): RankDistillmError {
  const asked = waitMs !== undefined && waitMs > LONGEST_WAIT_MS;
  const when = asked ? ` and asks to wait ${Math.ceil(waitMs / 1000)} s` : ` (${tries} tries)`;
  return new RankDistillmError('io', `${name}: cannot be downloaded: ${message}${when}`, {
    hint: 'Try again later: the same command goes on where this download stopped. Check the network and the proxy variables.',
    cause,
  });
}

/** An API's answer as JSON. */
export async function fetchJson(request: HttpRequest): Promise<unknown> {
  const text = await withRetries(request.name, async () => {
    const answer = await send(request);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of bodyOf(answer)) {
      bytes += chunk.length;
      if (bytes > MOST_JSON_BYTES) {
        await discard(answer);
        throw badAnswer(request.name, answer.url, `more than ${MOST_JSON_BYTES >> 20} MiB`);
      }
      chunks.push(chunk);
    }
    return { url: answer.url, text: Buffer.concat(chunks).toString('utf8') };
  });
  try {
    return JSON.parse(text.text);
  } catch (cause) {
    throw badAnswer(request.name, text.url, 'no JSON', cause);
  }
}

export function badAnswer(name: string, url: string, what: string, cause?: unknown): RankDistillmError {
  return new RankDistillmError('io', `${name}: ${hostOf(url)} answers with ${what}`, {
    hint: 'Check HF_ENDPOINT and the proxy variables: this may be the page of a proxy or of a login.',
    cause,
  });
}

/** The bytes of an answer; what breaks on the way is `Transient`. */
export async function* bodyOf({ body, url }: HttpAnswer): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of body) yield chunk as Buffer;
  } catch (error) {
    throwIfAborted(downloadListener().signal);
    throw new Transient(`${hostOf(url)}: ${reasonOf(error)}`, undefined, error);
  }
}

/** Ends an answer whose body is not wanted; a short one is read, so that its connection can be used again. */
export async function discard({ body }: HttpAnswer): Promise<void> {
  await body.dump({ limit: 64 * 1024 }).catch(() => undefined);
}

function statusError({ status, headers, url, leftHost }: HttpAnswer, name: string): Error {
  const message = `${hostOf(url)} answers ${status}`;
  // signed addresses of a content network run out, and asking for a new one helps
  if (TRANSIENT_STATUS.has(status) || (status === 403 && leftHost)) {
    return new Transient(message, retryAfterMs(headers['retry-after']));
  }
  if (status === 404 || status === 410) {
    return new RankDistillmError('not_found', `${name}: is not there: ${message} for ${url}`, {
      hint: 'The file was moved or removed: check for a newer version of rank-distillm, or download it by hand.',
    });
  }
  return new RankDistillmError('io', `${name}: cannot be downloaded: ${message} for ${url}`, {
    hint: 'The server refuses access: open the address in a browser to see why, or download the file by hand.',
  });
}

function retryAfterMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function transportError(error: unknown, url: string, { name, instead }: HttpRequest): Error {
  throwIfAborted(downloadListener().signal);
  const { code } = error as NodeJS.ErrnoException;
  const message = `${hostOf(url)}: ${reasonOf(error)}`;
  if (code !== undefined && LASTING_CODES.test(code)) {
    const endpoint = process.env['HF_ENDPOINT'] ? ', HF_ENDPOINT' : '';
    const or = instead ?? 'set RANK_DISTILLM_OFFLINE=1 to use only what is here';
    return new RankDistillmError('io', `${name}: cannot be downloaded: ${message}`, {
      hint: `Check the network${endpoint} and the proxy variables, or ${or}.`,
      cause: error,
    });
  }
  return code === undefined ? (error as Error) : new Transient(message, undefined, error);
}

/** Messages of undici, in the words of users. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const seconds = timeoutMs() / 1000;
  const reasons: Record<string, string> = {
    ENOTFOUND: 'no such host, or no network',
    ECONNREFUSED: 'connection refused',
    ECONNRESET: 'connection cut',
    UND_ERR_SOCKET: 'connection cut',
    UND_ERR_ABORTED: 'connection cut',
    UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
    UND_ERR_HEADERS_TIMEOUT: `no answer within ${seconds} s`,
    UND_ERR_BODY_TIMEOUT: `no data for ${seconds} s`,
    UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'connection cut',
  };
  return (code && reasons[code]) ?? (message || String(code));
}

function urlOf(text: string, base: string | undefined, name: string): string {
  try {
    const url = new URL(text, base);
    if (['http:', 'https:'].includes(url.protocol)) return url.href;
  } catch {
    // not a URL
  }
  throw new RankDistillmError('bad_input', `${name}: ${JSON.stringify(text)} is no address (http or https)`, {
    hint: 'Check HF_ENDPOINT, for example https://huggingface.co.',
  });
}

function originOf(url: string, name: string): string {
  return new URL(urlOf(url, undefined, name)).origin;
}

function hostOf(url: string): string {
  return new URL(url).host;
}
