import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { context, propagation, type TextMapGetter } from '@opentelemetry/api';
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context, HonoRequest, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { cors } from 'hono/cors';
import { HTTPException } from 'hono/http-exception';
import { onAbort } from '../io/on-abort.js';
import { packageVersion } from '../io/package-version.js';
import { answerFailure, BadRequest, DeadlinePassed, failureOf, inCommon, inTei, type Failure } from './answers.js';
import type { Metrics } from './metrics.js';
import type { LogEntry, ServeSettings } from './options.js';
import { addPlayground } from './playground.js';
import { failure, failures, jsonAnswer } from './protocols/fields.js';
import { addRerankRoutes } from './protocols/rerank.js';
import { addScoreRoute } from './protocols/score.js';
import { addTeiRoutes } from './protocols/tei.js';
import { RequestTooLarge, type Scoring } from './scoring.js';

/** What a request carries on its way. */
export interface ServerEnv {
  Variables: {
    id: string;
    /** Fires when the client has left, when the request's time is up, or when the server ends. */
    deadline: AbortSignal;
  };
}

interface AppParts {
  scoring: Scoring;
  settings: ServeSettings;
  metrics: Metrics;
  log: (entry: LogEntry) => void;
  /** Fires when requests in work are to be given up. */
  ended: AbortSignal;
  /** False while the first model loads and after the server was told to end. */
  isReady: () => boolean;
}

/** Ids that clients send are logged and returned, so they are plain and short. */
const REQUEST_ID = /^[\w.:/-]{1,128}$/;
const LONGEST_REASON = 500;
const SCORING_PATHS = ['/v1/rerank', '/v2/rerank', '/voyage/v1/rerank', '/rerank', '/score', '/v1/score'];

/** All routes of the server. */
export function buildApp(parts: AppParts): OpenAPIHono<ServerEnv> {
  const { scoring, settings, metrics } = parts;
  const app = new OpenAPIHono<ServerEnv>({
    defaultHook: (result) => {
      if (!result.success) throw new BadRequest(422, 'invalid_request', reasonOf(result.error));
    },
  });
  app.use(identify(parts, app));
  app.use(checkHost(settings));
  if (settings.corsOrigins.length > 0) {
    app.use(cors({ origin: settings.corsOrigins.includes('*') ? '*' : settings.corsOrigins }));
  }
  app.get('/livez', (c) => c.json({ status: 'ok' }));
  app.on('GET', ['/health', '/readyz'], (c) => {
    return parts.isReady() ? c.json({ status: 'ok' }) : c.json({ status: 'not ready' }, 503);
  });
  addPlayground(app);
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'rank-distillm',
      version: packageVersion(),
      description: 'Re-ranking with cross-encoders, in the words of the services that people call for it.',
    },
    ...(settings.apiKeys.length > 0 ? { security: [{ key: [] }] } : {}),
  });
  app.openAPIRegistry.registerComponent('securitySchemes', 'key', { type: 'http', scheme: 'bearer' });

  app.use(authenticate(settings));
  app.get('/metrics', async (c) => {
    return c.text(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType });
  });
  app.on('POST', SCORING_PATHS, requireJson, limitBody(settings));
  addRerankRoutes(app, scoring);
  addScoreRoute(app, scoring);
  addTeiRoutes(app, scoring);
  app.openapi(modelsRoute, (c) => {
    const data = scoring.pool.names.map((id) => ({ id, object: 'model' as const, owned_by: 'rank-distillm' }));
    return c.json({ object: 'list' as const, data }, 200);
  });
  app.notFound((c) => {
    const methods = app.routes.filter(({ path, method }) => path === c.req.path && method !== 'ALL');
    if (methods.length > 0) {
      const allowed = [...new Set(methods.map(({ method }) => method))].join(', ');
      c.header('allow', allowed);
      const message = `${c.req.path} takes ${allowed}, not ${c.req.method}`;
      return answerFailure(c, { status: 405, type: 'wrong_method', message }, inCommon, c.var.id);
    }
    const message = `${c.req.method} ${c.req.path}: no such route; /openapi.json lists them`;
    return answerFailure(c, { status: 404, type: 'no_route', message }, inCommon, c.var.id);
  });
  app.onError((error, c) => {
    const found = failureOfRequest(error, c);
    if (found.status === 500) parts.log({ level: 'error', event: 'failure', id: c.var.id, error: String(error.stack) });
    return answerFailure(c, found, c.req.path === '/rerank' || c.req.path === '/info' ? inTei : inCommon, c.var.id);
  });
  return app;
}

const modelsRoute = createRoute({
  method: 'get',
  path: '/v1/models',
  summary: 'Models that are served',
  responses: {
    200: jsonAnswer(
      z
        .object({
          object: z.literal('list'),
          data: z.array(z.object({ id: z.string(), object: z.literal('model'), owned_by: z.string() })),
        })
        .openapi('Models'),
      'The first is the default.',
    ),
    ...failures(failure),
  },
});

/** Where no propagator is set up, none is read. */
const HEADERS: TextMapGetter<HonoRequest> = {
  keys: (request) => Object.keys(request.header()),
  get: (request, name) => request.header(name),
};

/** Names the request, gives it its deadline, and counts and logs its answer. */
function identify(
  { settings, metrics, log, ended }: AppParts,
  app: OpenAPIHono<ServerEnv>,
): MiddlewareHandler<ServerEnv> {
  let known: Set<string> | undefined; // all paths are fixed

  return async (c, next) => {
    const start = performance.now();
    const given = c.req.header('x-request-id');
    const id = given !== undefined && REQUEST_ID.test(given) ? given : randomUUID();
    c.set('id', id);
    c.header('x-request-id', id);
    c.header('x-content-type-options', 'nosniff');
    const seconds = requestSeconds(c.req.header('x-request-timeout'), settings.requestTimeout);
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(new DeadlinePassed(seconds)), seconds * 1000);
    const { signal: closed } = c.req.raw;
    // AbortSignal.any would leave something at `ended` for each request
    const forget = [closed, ended].map((signal) => onAbort(signal, () => deadline.abort(signal.reason)));
    if (ended.aborted) deadline.abort(ended.reason);
    c.set('deadline', deadline.signal);
    try {
      await context.with(propagation.extract(context.active(), c.req, HEADERS), next);
    } finally {
      clearTimeout(timer);
      for (const one of forget) one();
      known ??= new Set(app.routes.map(({ path }) => path));
      const route = known.has(c.req.path) ? c.req.path : 'none';
      const took = (performance.now() - start) / 1000;
      const status = closed.aborted ? 499 : c.res.status;
      metrics.requests.inc({ route, method: c.req.method, status });
      metrics.latency.observe({ route }, took);
      const { method, path } = c.req;
      log({
        level: status === 500 ? 'error' : status > 500 || status === 429 ? 'warn' : 'info',
        event: 'request',
        id,
        method,
        path,
        status,
        milliseconds: Math.round(took * 1000),
        ...traceOf(c.req.header('traceparent')),
      });
    }
  };
}

/** A client may ask for less time than the server gives. */
function requestSeconds(header: string | undefined, most: number): number {
  const asked = Number(header);
  return header !== undefined && asked > 0 ? Math.min(asked, most) : most;
}

/** The trace of W3C's header, so that a log line is found from a trace. */
function traceOf(header: string | undefined): { trace?: string } {
  const [, trace] = /^[\da-f]{2}-([\da-f]{32})-/.exec(header ?? '') ?? [];
  return trace === undefined ? {} : { trace };
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/**
 * Refuses other host names than expected while the server listens on this machine alone: otherwise a web page could
 * call it by a name that it lets point here (DNS rebinding).
 */
function checkHost({ host, allowedHosts }: ServeSettings): MiddlewareHandler {
  const isLocal = LOOPBACK.test(host) || host === '::1';
  const allowed = new Set(allowedHosts);
  return async (c, next) => {
    const name = (c.req.header('host') ?? '').replace(/:\d+$/, '').toLowerCase();
    if (isLocal && !allowed.has('*') && !allowed.has(name) && !LOOPBACK.test(name)) {
      throw new BadRequest(403, 'wrong_host', 'the server is not called by this host name; --allowed-host adds one');
    }
    await next();
  };
}

/** Keys are compared by their hashes, in a time that does not depend on where they differ. */
function authenticate({ apiKeys }: ServeSettings): MiddlewareHandler {
  const digest = (key: string): Buffer => createHash('sha256').update(key).digest();
  const known = apiKeys.map(digest);
  return async (c, next) => {
    if (known.length > 0) {
      const [, bearer] = /^bearer +(.+)$/i.exec(c.req.header('authorization') ?? '') ?? [];
      const given = digest(bearer?.trim() ?? c.req.header('x-api-key') ?? '');
      const matches = known.map((key) => timingSafeEqual(key, given));
      if (!matches.includes(true)) {
        c.header('www-authenticate', 'Bearer');
        throw new BadRequest(401, 'no_key', 'give a key of this server: Authorization: Bearer KEY');
      }
    }
    await next();
  };
}

/** A form of another site could send plain text without asking; JSON it could not. */
const requireJson: MiddlewareHandler = async (c, next) => {
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(c.req.header('content-type') ?? '')) {
    throw new BadRequest(415, 'not_json', 'send JSON, with content-type: application/json');
  }
  await next();
};

/**
 * Refuses bodies that are too large. A length in the head is enough, since Node.js reads no more than that; Hono's check makes
 * a web stream of each body, which takes longer than all else that the server does with a small request.
 */
function limitBody({ maxBodyBytes }: ServeSettings): MiddlewareHandler {
  const onError = (): never => {
    throw new RequestTooLarge(`the body has more than ${maxBodyBytes} bytes`);
  };
  const ofStream = bodyLimit({ maxSize: maxBodyBytes, onError });
  return async (c, next) => {
    const length = c.req.header('content-length');
    if (length === undefined || c.req.header('transfer-encoding') !== undefined) return ofStream(c, next);
    if (Number(length) > maxBodyBytes) onError();
    await next();
  };
}

function reasonOf(error: z.ZodError): string {
  const [issue] = error.issues;
  const place = issue?.path.map(String).join('.') ?? '';
  return `${place || 'body'}: ${issue?.message ?? 'not valid'}`.slice(0, LONGEST_REASON);
}

function failureOfRequest(error: unknown, c: Context): Failure {
  if (error instanceof HTTPException) {
    // Hono's own: a body that is not JSON
    return { status: error.status, type: 'invalid_request', message: error.message };
  }
  if (c.req.raw.signal.aborted) return failureOf(new DOMException('closed', 'AbortError'));
  return failureOf(error);
}
