import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { RankDistillmError, type ErrorCode } from '../errors.js';
import { Overloaded, RequestTooLarge, TextTooLong } from './scoring.js';

/** Why a request was not answered with scores. */
export interface Failure {
  status: ContentfulStatusCode;
  /** For programs. */
  type: string;
  message: string;
  retryAfter?: number;
}

/** The client closed the connection; nobody reads the answer. nginx's number, seen in the log alone. */
const CLIENT_CLOSED = 499;

const STATUSES: Readonly<Record<ErrorCode, [ContentfulStatusCode, string]>> = {
  bad_input: [400, 'invalid_request'],
  not_found: [404, 'model_not_found'],
  unsupported: [400, 'invalid_request'],
  io: [500, 'internal'],
  native: [500, 'internal'],
  out_of_memory: [503, 'out_of_memory'],
  busy: [429, 'overloaded'],
  aborted: [503, 'shutting_down'],
  closed: [503, 'shutting_down'],
};

/** A request that the schema of its route does not allow, or that asks for something else than this server has. */
export class BadRequest extends Error {
  readonly status: ContentfulStatusCode;
  readonly type: string;

  constructor(status: ContentfulStatusCode, type: string, message: string) {
    super(message);
    this.status = status;
    this.type = type;
  }
}

/** Its deadline has passed. */
export class DeadlinePassed extends Error {
  /** @param seconds that the request was given */
  constructor(seconds: number) {
    super(`not finished in ${seconds} s, the time that the request had`);
  }
}

export function failureOf(error: unknown): Failure {
  const cause = error instanceof RankDistillmError && error.code === 'aborted' ? (error.cause ?? error) : error;
  if (cause instanceof BadRequest) return { status: cause.status, type: cause.type, message: cause.message };
  if (cause instanceof DeadlinePassed) return { status: 504, type: 'timeout', message: cause.message };
  if (cause instanceof Overloaded) {
    return { status: 429, type: 'overloaded', message: cause.message, retryAfter: cause.retryAfter };
  }
  if (cause instanceof RequestTooLarge) return { status: 413, type: 'too_large', message: cause.message };
  if (cause instanceof TextTooLong) return { status: 413, type: 'too_long', message: cause.message };
  if (cause instanceof RankDistillmError) {
    const [status, type] = STATUSES[cause.code];
    // what happened inside may name paths: it goes to the log
    const message = status === 500 ? 'the server failed; its log says why' : withHint(cause);
    return { status, type, message, ...(status === 429 ? { retryAfter: 1 } : {}) };
  }
  if (cause instanceof DOMException && cause.name === 'AbortError') {
    return {
      status: CLIENT_CLOSED as ContentfulStatusCode,
      type: 'closed',
      message: 'the client closed the connection',
    };
  }
  return { status: 500, type: 'internal', message: 'the server failed; its log says why' };
}

function withHint({ message, hint }: RankDistillmError): string {
  return hint ? `${message}. ${hint}` : message;
}

/** The words for a failure that a protocol's clients look for. */
export type Wording = (failure: Failure, id: string) => object;

/** Cohere's `message`, Jina's `detail`, and the object `error` of OpenAI, vLLM and others. */
export const inCommon: Wording = ({ message, type, status }, id) => ({
  id,
  message,
  detail: message,
  error: { message, type, code: status },
});

/** text-embeddings-inference's names of errors. */
export const inTei: Wording = ({ message, status, type }) => ({
  error: message,
  error_type: status === 429 ? 'Overloaded' : status < 500 ? (type === 'empty' ? 'Empty' : 'Validation') : 'Backend',
});

export function answerFailure(c: Context, failure: Failure, wording: Wording, id: string): Response {
  if (failure.retryAfter !== undefined) c.header('retry-after', String(failure.retryAfter));
  return c.json(wording(failure, id), failure.status);
}
