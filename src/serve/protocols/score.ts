import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import type { ServerEnv } from '../app.js';
import { BadRequest } from '../answers.js';
import type { Scoring } from '../scoring.js';
import type { TextPair } from '../../tokenize/pair-tokenizer.js';
import { failure, failures, jsonAnswer, jsonBody, model, usage } from './fields.js';

const texts = z.union([z.string(), z.array(z.string()).min(1)]);

const route = createRoute({
  method: 'post',
  path: '/score',
  summary: "Scores of pairs; also as vLLM's score",
  request: jsonBody(
    z
      .looseObject({
        model,
        pairs: z
          .array(z.object({ query: z.string(), document: z.string() }))
          .min(1)
          .optional()
          .openapi({ description: 'Pairs to score, or text_1 and text_2.' }),
        text_1: texts.optional().openapi({ description: 'One query for all of text_2, or one for each.' }),
        text_2: texts.optional(),
        raw_scores: z.boolean().nullish().openapi({ description: 'Logits instead of numbers from 0 to 1.' }),
      })
      .openapi('ScoreRequest', { anyOf: [{ required: ['pairs'] }, { required: ['text_1', 'text_2'] }] }),
  ),
  responses: {
    200: jsonAnswer(
      z
        .object({
          id: z.string(),
          object: z.literal('list'),
          created: z.int(),
          model: z.string(),
          data: z.array(
            z.object({
              index: z.int(),
              object: z.literal('score'),
              score: z.number(),
              truncated: z.literal(true).optional(),
            }),
          ),
          usage,
        })
        .openapi('ScoreAnswer'),
      "In the request's order.",
    ),
    ...failures(failure),
  },
});

export function addScoreRoute(app: OpenAPIHono<ServerEnv>, scoring: Scoring): void {
  app.openapi(route, async (c) => {
    const request = c.req.valid('json');
    const pairs = request.pairs ?? crossed(request.text_1, request.text_2);
    const answer = await scoring.score(
      { model: request.model ?? null, pairs, rawScores: request.raw_scores ?? false },
      c.var.deadline,
    );
    const cut = new Set(answer.truncated);
    const data = answer.scores.map((score, index) => ({
      index,
      object: 'score' as const,
      score,
      ...(cut.has(index) ? { truncated: true as const } : {}),
    }));
    const body = { id: c.var.id, object: 'list' as const, created: Math.floor(Date.now() / 1000), model: answer.model };
    return c.json({ ...body, data, usage: { total_tokens: answer.tokens, prompt_tokens: answer.tokens } }, 200);
  });
}

/** One text of the first for all of the second, or one for each. */
function crossed(first: string | string[] | undefined, second: string | string[] | undefined): TextPair[] {
  if (first === undefined || second === undefined) {
    throw new BadRequest(422, 'invalid_request', 'give pairs, or text_1 and text_2');
  }
  const queries = typeof first === 'string' ? [first] : first;
  const documents = typeof second === 'string' ? [second] : second;
  if (queries.length !== 1 && queries.length !== documents.length) {
    const counts = `text_1 has ${queries.length} texts and text_2 has ${documents.length}`;
    throw new BadRequest(422, 'invalid_request', `${counts}; text_1 must have one, or as many as text_2`);
  }
  return documents.map((document, i) => ({ query: queries[queries.length === 1 ? 0 : i]!, document }));
}
