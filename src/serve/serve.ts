/** @module rank-distillm/serve */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { createAdaptorServer } from '@hono/node-server';
import { checkOptions } from '../config/read-settings.js';
import { CrossEncoder } from '../engine/cross-encoder.js';
import { abortedError, badArgument, RankDistillmError, throwIfAborted, warner } from '../errors.js';
import { onAbort } from '../io/on-abort.js';
import { buildApp } from './app.js';
import { Metrics } from './metrics.js';
import { ModelPool } from './model-pool.js';
import { serveOptions, type LogEntry, type ServeOptions, type ServeSettings } from './options.js';
import { Scoring } from './scoring.js';

/** A server that listens. */
export interface RerankServer extends AsyncDisposable {
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Resolves when the server has ended, also by `signal`. */
  readonly ended: Promise<void>;
  /** Takes no new requests, finishes those in work within `drainTimeout`, and closes the models. */
  close(): Promise<void>;
}

/** A head must come within these, or the connection is closed: slow clients hold nothing else. */
const HEAD_MILLISECONDS = 15_000;
const IDLE_MILLISECONDS = 65_000;
const MOST_CONNECTIONS = 16_384;
/** Of the event loop, in which a connection that waits is accepted, and what it has sent is read. */
const TURNS = 8;

/**
 * Serves re-rankers over HTTP in the words of Cohere, Jina, Voyage, vLLM and text-embeddings-inference, see
 * docs/serve.md. Resolves when the default model is loaded and the server listens.
 *
 * @throws RankDistillmError as `CrossEncoder.load`; `io` for a port that is taken
 */
export async function serve(options: ServeOptions): Promise<RerankServer> {
  const settings = checkOptions(serveOptions, options);
  throwIfAborted(settings.signal);
  const models = new Map(Object.entries(settings.models));
  if (models.size === 0) throw badArgument('models', 'an object with at least one model', settings.models);
  return Listening.start(settings, models);
}

class Listening implements RerankServer {
  readonly url: string;
  readonly ended: Promise<void>;
  readonly #server: Server;
  readonly #pool: ModelPool;
  readonly #settings: ServeSettings;
  readonly #giveUp: AbortController;
  readonly #log: (entry: LogEntry) => void;
  readonly #state: { isReady: boolean };
  #closing: Promise<void> | undefined;
  #hasEnded: () => void = () => undefined;

  private constructor(
    server: Server,
    pool: ModelPool,
    settings: ServeSettings,
    giveUp: AbortController,
    log: (entry: LogEntry) => void,
    state: { isReady: boolean },
  ) {
    this.#server = server;
    this.#pool = pool;
    this.#settings = settings;
    this.#giveUp = giveUp;
    this.#log = log;
    this.#state = state;
    const { address, port, family } = server.address() as AddressInfo;
    this.url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
    this.ended = new Promise((resolve) => (this.#hasEnded = resolve));
    if (settings.signal) onAbort(settings.signal, () => void this.close());
  }

  static async start(settings: ServeSettings, models: ReadonlyMap<string, string>): Promise<Listening> {
    const metrics = new Metrics();
    const giveUp = new AbortController();
    const state = { isReady: false };
    const log = settings.onLog ?? (() => undefined);
    const warn = warner(settings.onWarning);
    const pool = new ModelPool({
      models,
      maxLoaded: settings.maxLoaded,
      load: (name) =>
        CrossEncoder.load(name, { ...engineOf(settings), queueLimit: settings.maxWaiting, onWarning: warn }),
      onLoaded: (model, seconds) => {
        metrics.loadSeconds.set({ model }, seconds);
        metrics.loaded.set(pool.loaded.length);
        log({ level: 'info', event: 'loaded', model, seconds: Number(seconds.toFixed(3)) });
      },
      onClosed: (model) => {
        metrics.loaded.set(pool.loaded.length);
        log({ level: 'info', event: 'closed', model });
      },
    });
    const scoring = new Scoring(pool, settings, metrics);
    const app = buildApp({ scoring, settings, metrics, log, ended: giveUp.signal, isReady: () => state.isReady });
    const server = createAdaptorServer({
      fetch: app.fetch,
      createServer,
      serverOptions: {
        headersTimeout: HEAD_MILLISECONDS,
        requestTimeout: settings.requestTimeout * 1000,
        keepAliveTimeout: IDLE_MILLISECONDS,
      },
    }) as Server;
    server.maxConnections = MOST_CONNECTIONS;
    try {
      const signal = settings.signal ?? giveUp.signal;
      await pool.use(pool.resolve(null), signal, () => Promise.resolve());
      await listen(server, settings);
      if (settings.signal?.aborted) throw abortedError(settings.signal);
    } catch (error) {
      server.close();
      await pool.close();
      throw error;
    }
    state.isReady = true;
    const listening = new Listening(server, pool, settings, giveUp, log, state);
    log({ level: 'info', event: 'listening', url: listening.url, models: pool.names });
    return listening;
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(): Promise<void> {
    this.#log({ level: 'info', event: 'draining' });
    this.#state.isReady = false;
    // connections whose request has arrived but was not read yet would count as idle
    for (let i = 0; i < TURNS; i++) await setImmediate();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => {
      this.#giveUp.abort(new RankDistillmError('closed', 'the server is ending'));
      setTimeout(() => this.#server.closeAllConnections(), 1000).unref();
    }, this.#settings.drainTimeout * 1000);
    // a connection that is kept alive falls idle when its answer is out
    const sweep = setInterval(() => this.#server.closeIdleConnections(), 50);
    await closed;
    clearTimeout(timer);
    clearInterval(sweep);
    await this.#pool.close();
    this.#log({ level: 'info', event: 'ended' });
    this.#hasEnded();
  }
}

/** The settings that a model is loaded with. */
function engineOf(settings: ServeSettings) {
  const { device, precision, tf32, memoryFraction, threads, tokenizerThreads, label, revision, config } = settings;
  return { device, precision, tf32, memoryFraction, threads, tokenizerThreads, label, revision, config };
}

function listen(server: Server, { host, port }: ServeSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'another program listens there' : cause.message;
      const hint = 'Choose another --port (0: any free one), or an address of this machine as --host.';
      reject(new RankDistillmError('io', `cannot listen on ${host}:${port}: ${why}`, { hint, cause }));
    });
    server.listen(port, host, () => resolve());
  });
}
