// The interface of Hugging Face's text-embeddings-inference for re-rankers (its OpenAPI document, version 1.8).
import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { packageVersion } from '../../io/package-version.js';
import { BadRequest } from '../answers.js';
import type { ServerEnv } from '../app.js';
import type { Scoring } from '../scoring.js';
import { failures, jsonAnswer, jsonBody, teiFailure } from './fields.js';

const rerank = createRoute({
  method: 'post',
  path: '/rerank',
  summary: "text-embeddings-inference's rerank",
  request: jsonBody(
    z
      .looseObject({
        query: z.string(),
        texts: z.array(z.string()).openapi({ minItems: 1 }),
        raw_scores: z.boolean().nullish().openapi({ description: 'Logits instead of numbers from 0 to 1.' }),
        return_text: z.boolean().nullish(),
        truncate: z.boolean().nullish().openapi({ description: 'If false, a text that is too long is refused (413).' }),
        truncation_direction: z.enum(['Left', 'Right', 'left', 'right']).nullish(),
      })
      .openapi('TeiRerankRequest'),
  ),
  responses: {
    200: jsonAnswer(
      z.array(z.object({ index: z.int(), score: z.number(), text: z.string().optional() })).openapi('TeiRanks'),
      'Best first.',
    ),
    ...failures(teiFailure),
  },
});

const info = createRoute({
  method: 'get',
  path: '/info',
  summary: "text-embeddings-inference's facts about the default model",
  responses: {
    200: jsonAnswer(
      z
        .object({
          model_id: z.string(),
          model_sha: z.string().nullable(),
          model_dtype: z.string(),
          model_type: z.object({
            reranker: z.object({ id2label: z.record(z.string(), z.string()), label2id: z.record(z.string(), z.int()) }),
          }),
          max_concurrent_requests: z.int(),
          max_input_length: z.int(),
          max_batch_tokens: z.int(),
          max_client_batch_size: z.int(),
          auto_truncate: z.boolean(),
          tokenization_workers: z.int(),
          version: z.string(),
          sha: z.string().nullable(),
          docker_label: z.string().nullable(),
        })
        .openapi('TeiInfo'),
      'Of the default model.',
    ),
    ...failures(teiFailure),
  },
});

export function addTeiRoutes(app: OpenAPIHono<ServerEnv>, scoring: Scoring): void {
  app.openapi(rerank, async (c) => {
    const { query, texts, ...options } = c.req.valid('json');
    if (texts.length === 0) throw new BadRequest(400, 'empty', '`texts` cannot be empty');
    if (options.truncation_direction?.toLowerCase() === 'left') {
      throw new BadRequest(422, 'invalid_request', 'truncation_direction: texts are cut as the model folder says');
    }
    const answer = await scoring.rank(
      {
        model: undefined,
        query,
        documents: texts,
        rawScores: options.raw_scores ?? false,
        refuseTruncation: options.truncate === false,
      },
      c.var.deadline,
    );
    const ranks = answer.documents.map(({ index, score }) => ({
      index,
      score,
      ...(options.return_text ? { text: texts[index]! } : {}),
    }));
    return c.json(ranks, 200);
  });

  app.openapi(info, async (c) => {
    const { pool, settings } = scoring;
    const facts = await pool.use(pool.resolve(null), c.var.deadline, (model) =>
      Promise.resolve({ dtype: model.precision, maxLength: model.maxLength }),
    );
    const body = {
      model_id: pool.names[0]!,
      model_sha: null,
      model_dtype: facts.dtype,
      model_type: { reranker: { id2label: { '0': 'LABEL_0' }, label2id: { LABEL_0: 0 } } },
      max_concurrent_requests: settings.maxWaiting,
      max_input_length: facts.maxLength,
      max_batch_tokens: settings.maxTokens,
      max_client_batch_size: settings.maxDocuments,
      auto_truncate: true,
      tokenization_workers: settings.tokenizerThreads ?? 0,
      version: packageVersion(),
      sha: null,
      docker_label: null,
    };
    return c.json(body, 200);
  });
}
