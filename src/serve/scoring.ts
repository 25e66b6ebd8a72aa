import { SpanStatusCode, trace, type Span } from '@opentelemetry/api';
import type { CrossEncoder, Ranking } from '../engine/cross-encoder.js';
import type { RankOptions } from '../engine/cross-encoder-options.js';
import { RankDistillmError } from '../errors.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';
import type { Metrics } from './metrics.js';
import type { ModelPool } from './model-pool.js';
import type { ServeSettings } from './options.js';

/** A request for a ranking, whatever protocol it came by. */
export interface RankRequest {
  model: string | null | undefined;
  query: string;
  documents: readonly string[];
  topK?: number | undefined;
  /** Logits instead of numbers from 0 to 1. */
  rawScores?: boolean | undefined;
  /** Passages of a long document; undefined: as the server was told. */
  maxPassages?: number | undefined;
  /** The same in tokens of a document. */
  maxDocumentTokens?: number | undefined;
  overlap?: number | undefined;
  aggregate?: 'max' | 'mean' | undefined;
  /** Refuse texts that the model cannot read whole. */
  refuseTruncation?: boolean | undefined;
}

export interface RankAnswer extends Ranking {
  model: string;
  /** Indices of the documents whose end was not read, in order. */
  truncated: number[];
}

export interface ScoreAnswer {
  model: string;
  scores: number[];
  truncated: number[];
  tokens: number;
}

/** More requests are in work than the server takes. */
export class Overloaded extends Error {
  readonly retryAfter: number;

  /** @param retryAfter seconds */
  constructor(retryAfter: number) {
    super('too many requests are in work; try again later');
    this.retryAfter = retryAfter;
  }
}

/** A text that the model cannot read whole, where the request asked for that. */
export class TextTooLong extends Error {}

/** More documents, or a larger body, than a request may have. */
export class RequestTooLarge extends Error {}

/** Of a document, as `longDocuments` takes them. */
const MOST_PASSAGES = 10_000;

const tracer = trace.getTracer('rank-distillm');

/** Ranks and scores for all protocols, within the server's limits. */
export class Scoring {
  readonly pool: ModelPool;
  readonly settings: ServeSettings;
  readonly #metrics: Metrics;
  #inWork = 0;
  /** Mean seconds of a request, lately. */
  #seconds = 1;

  constructor(pool: ModelPool, settings: ServeSettings, metrics: Metrics) {
    this.pool = pool;
    this.settings = settings;
    this.#metrics = metrics;
  }

  async rank(request: RankRequest, signal: AbortSignal): Promise<RankAnswer> {
    const { query, documents, rawScores, topK } = request;
    return this.#run(request.model, documents.length, signal, async (model, name) => {
      const options: RankOptions = { signal, activation: rawScores ? 'identity' : 'sigmoid' };
      options.maxTokens = this.settings.maxTokens;
      const maxPassages = passagesOf(request, model) ?? this.settings.longDocuments;
      if (maxPassages > 1) {
        options.longDocuments = { maxPassages, overlap: request.overlap ?? 0, aggregate: request.aggregate ?? 'max' };
      }
      const { documents: ranked, tokens } = await model.rankInDetail(query, documents, options);
      const truncated = ranked.filter((one) => one.truncated).map(({ index }) => index);
      truncated.sort((a, b) => a - b);
      if (request.refuseTruncation && truncated.length > 0) {
        throw new TextTooLong(
          `text ${truncated[0]} (from 0) or the query is longer than the ${model.maxLength} tokens of ${name}; ` +
            'set truncate, or send shorter texts',
        );
      }
      this.#metrics.truncated.inc({ model: name }, truncated.length);
      this.#metrics.tokens.inc({ model: name }, tokens);
      return { model: name, documents: ranked.slice(0, topK ?? ranked.length), truncated, tokens };
    });
  }

  async score(
    { model: wanted, pairs, rawScores }: { model?: string | null; pairs: readonly TextPair[]; rawScores?: boolean },
    signal: AbortSignal,
  ): Promise<ScoreAnswer> {
    return this.#run(wanted, pairs.length, signal, async (model, name) => {
      const { scores, truncated, tokens } = await model.scoreInDetail(pairs, {
        signal,
        activation: rawScores ? 'identity' : 'sigmoid',
        maxTokens: this.settings.maxTokens,
      });
      const cut = truncated.flatMap((isCut, i) => (isCut ? [i] : []));
      this.#metrics.truncated.inc({ model: name }, cut.length);
      this.#metrics.tokens.inc({ model: name }, tokens);
      return { model: name, scores: [...scores], truncated: cut, tokens };
    });
  }

  async #run<T extends { tokens: number }>(
    wanted: string | null | undefined,
    documents: number,
    signal: AbortSignal,
    work: (model: CrossEncoder, name: string) => Promise<T>,
  ): Promise<T> {
    const name = this.pool.resolve(wanted);
    const { maxDocuments, maxWaiting } = this.settings;
    if (documents > maxDocuments) {
      throw new RequestTooLarge(`${documents} documents; a request may have ${maxDocuments}`);
    }
    if (this.#inWork >= maxWaiting) {
      this.#metrics.refused.inc();
      throw new Overloaded(Math.max(1, Math.ceil(this.#seconds)));
    }
    this.#inWork += 1;
    this.#metrics.waiting.set(this.#inWork);
    this.#metrics.documents.observe({ model: name }, documents);
    const start = performance.now();
    try {
      return await tracer.startActiveSpan('rank-distillm.score', (span) =>
        traced(span, name, documents, () => this.pool.use(name, signal, (model) => work(model, name))),
      );
    } finally {
      this.#seconds += ((performance.now() - start) / 1000 - this.#seconds) / 16;
      this.#inWork -= 1;
      this.#metrics.waiting.set(this.#inWork);
    }
  }
}

/** Passages that a request asks for, by their number or by tokens. */
function passagesOf({ maxPassages, maxDocumentTokens }: RankRequest, model: CrossEncoder): number | undefined {
  if (maxPassages !== undefined) return maxPassages;
  if (maxDocumentTokens === undefined) return undefined;
  return Math.min(MOST_PASSAGES, Math.ceil(maxDocumentTokens / model.documentLength));
}

async function traced<T extends { tokens: number }>(
  span: Span,
  model: string,
  documents: number,
  work: () => Promise<T>,
): Promise<T> {
  span.setAttributes({ 'gen_ai.request.model': model, 'rank_distillm.documents': documents });
  try {
    const result = await work();
    span.setAttribute('rank_distillm.tokens', result.tokens);
    return result;
  } catch (error) {
    const code = error instanceof RankDistillmError ? error.code : 'error';
    span.setStatus({ code: SpanStatusCode.ERROR, message: code });
    throw error;
  } finally {
    span.end();
  }
}
