// Cohere's, Jina's, Voyage's and vLLM's requests for a ranking. The last three and Cohere's first version share a path
// and most names, so one schema takes them all, and one answer has what each of their clients reads.
import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import type { RankedDocument } from '../../engine/cross-encoder.js';
import { BadRequest } from '../answers.js';
import type { ServerEnv } from '../app.js';
import type { RankAnswer, Scoring } from '../scoring.js';
import { document, failure, failures, jsonAnswer, jsonBody, model, query, ranked, topN, usage } from './fields.js';

const passages = {
  max_chunks_per_doc: z
    .int()
    .min(1)
    .max(10_000)
    .nullish()
    .openapi({ description: 'Score a long document in as many passages, by its best.' }),
  overlap_tokens: z.int().min(0).nullish().openapi({ description: 'Tokens that neighbouring passages share.' }),
  chunk_aggregate: z
    .enum(['max', 'mean'])
    .nullish()
    .openapi({ description: "A long document's score: of its best passage (max), or the mean." }),
};

const meta = z.object({
  api_version: z.object({ version: z.string() }),
  billed_units: z.object({ search_units: z.int() }),
  warnings: z.array(z.string()).optional(),
});

const v2 = createRoute({
  method: 'post',
  path: '/v2/rerank',
  summary: "Cohere's rerank, version 2",
  request: jsonBody(
    z
      .looseObject({
        model,
        query,
        documents: z.array(z.string()).min(1),
        top_n: topN,
        max_tokens_per_doc: z
          .int()
          .min(1)
          .nullish()
          .openapi({ description: 'Score a long document in passages, up to so many tokens of it.' }),
        overlap_tokens: passages.overlap_tokens,
        chunk_aggregate: passages.chunk_aggregate,
      })
      .openapi('RerankV2Request'),
  ),
  responses: {
    200: jsonAnswer(
      z.object({ id: z.string(), results: z.array(ranked), meta }).openapi('RerankV2Answer'),
      'Best first.',
    ),
    ...failures(failure),
  },
});

const common = z
  .looseObject({
    model,
    query: z.union([query, z.object({ text: z.string() })]),
    documents: z.array(document).min(1),
    top_n: topN,
    top_k: topN,
    return_documents: z
      .boolean()
      .nullish()
      .openapi({ description: 'Return the documents as well; true if not given.' }),
    rank_fields: z
      .array(z.string())
      .min(1)
      .nullish()
      .openapi({ description: 'Fields of documents that are objects, in order; if not given `text`, else all.' }),
    ...passages,
  })
  .openapi('RerankRequest');

const v1 = createRoute({
  method: 'post',
  path: '/v1/rerank',
  summary: "Jina's and vLLM's rerank, and version 1 of Cohere's",
  request: jsonBody(common),
  responses: {
    200: jsonAnswer(
      z
        .object({ id: z.string(), object: z.literal('list'), model: z.string(), results: z.array(ranked), usage, meta })
        .openapi('RerankAnswer'),
      'Best first.',
    ),
    ...failures(failure),
  },
});

const voyage = createRoute({
  method: 'post',
  path: '/voyage/v1/rerank',
  summary: "Voyage's rerank (base URL: /voyage/v1)",
  request: jsonBody(common),
  responses: {
    200: jsonAnswer(
      z
        .object({
          object: z.literal('list'),
          data: z.array(ranked.omit({ document: true }).extend({ document: z.string().optional() })),
          model: z.string(),
          usage,
        })
        .openapi('VoyageAnswer'),
      'Best first.',
    ),
    ...failures(failure),
  },
});

type Document = z.infer<typeof document>;

export function addRerankRoutes(app: OpenAPIHono<ServerEnv>, scoring: Scoring): void {
  app.openapi(v2, async (c) => {
    const request = c.req.valid('json');
    const answer = await scoring.rank(
      {
        model: request.model,
        query: request.query,
        documents: request.documents,
        topK: request.top_n || undefined,
        maxDocumentTokens: request.max_tokens_per_doc ?? undefined,
        overlap: request.overlap_tokens ?? undefined,
        aggregate: request.chunk_aggregate ?? undefined,
      },
      c.var.deadline,
    );
    const results = answer.documents.map((one) => shown(one));
    return c.json({ id: c.var.id, results, meta: metaOf(answer, '2') }, 200);
  });

  const rank = async (request: z.infer<typeof common>, deadline: AbortSignal) => {
    const documents = request.documents.map((one, i) => textOf(one, request.rank_fields, i));
    const answer = await scoring.rank(
      {
        model: request.model,
        query: typeof request.query === 'string' ? request.query : request.query.text,
        documents,
        topK: (request.top_n ?? request.top_k) || undefined,
        maxPassages: request.max_chunks_per_doc ?? undefined,
        overlap: request.overlap_tokens ?? undefined,
        aggregate: request.chunk_aggregate ?? undefined,
      },
      deadline,
    );
    return { answer, documents };
  };

  app.openapi(v1, async (c) => {
    const request = c.req.valid('json');
    const { answer, documents } = await rank(request, c.var.deadline);
    const full = (index: number): { text: string } => {
      const given: Document = request.documents[index]!;
      return typeof given === 'string' ? { text: given } : { text: documents[index]!, ...given };
    };
    const results = answer.documents.map((one) =>
      request.return_documents === false ? shown(one) : { ...shown(one), document: full(one.index) },
    );
    const body = { id: c.var.id, object: 'list' as const, model: answer.model, results };
    return c.json({ ...body, usage: usageOf(answer), meta: metaOf(answer, '1') }, 200);
  });

  app.openapi(voyage, async (c) => {
    const request = c.req.valid('json');
    const { answer, documents } = await rank(request, c.var.deadline);
    const data = answer.documents.map((one) =>
      request.return_documents ? { ...shown(one), document: documents[one.index]! } : shown(one),
    );
    return c.json({ object: 'list' as const, data, model: answer.model, usage: usageOf(answer) }, 200);
  });
}

function shown({ index, score, truncated }: RankedDocument) {
  return { index, relevance_score: score, ...(truncated ? { truncated } : {}) };
}

function usageOf({ tokens }: RankAnswer) {
  return { total_tokens: tokens, prompt_tokens: tokens };
}

function metaOf({ truncated }: RankAnswer, version: string) {
  const warnings = [`the end of ${truncated.length} documents was not read: ${truncated.slice(0, 20).join(', ')}`];
  return {
    api_version: { version },
    billed_units: { search_units: 1 },
    ...(truncated.length > 0 ? { warnings } : {}),
  };
}

/** The text of a document; of an object, its fields in the order of `fields`. */
function textOf(given: Document, wanted: readonly string[] | null | undefined, index: number): string {
  if (typeof given === 'string') return given;
  const fields = wanted ?? (Object.hasOwn(given, 'text') ? ['text'] : Object.keys(given));
  const found = fields.filter((field) => Object.hasOwn(given, field) && given[field] !== null);
  if (wanted && found.length === 0) {
    throw new BadRequest(422, 'invalid_request', `documents[${index}] has none of the fields ${fields.join(', ')}`);
  }
  return found.map((field) => asText(given[field])).join(' ');
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
