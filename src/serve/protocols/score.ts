import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import type { ServerEnv } from '../app.js';
import { BadRequest } from '../answers.js';
import type { Scoring } from '../scoring.js';
import type { TextPair } from '../../tokenize/pair-tokenizer.js';
import { failure, failures, jsonAnswer, jsonBody, model, usage } from './fields.js';

const texts = z.union([z.string(), z.array(z.string()).min(1)]);

/** vLLM's names for the two sides of pairs, newest first. */
const SIDES = [
  ['queries', 'documents'],
  ['queries', 'items'],
  ['data_1', 'data_2'],
  ['text_1', 'text_2'],
] as const;

const route = {
  method: 'post' as const,
  summary: "Scores of pairs; also as vLLM's score",
  request: jsonBody(
    z
      .looseObject({
        model,
        pairs: z
          .array(z.object({ query: z.string(), document: z.string() }))
          .min(1)
          .optional()
          .openapi({ description: "Pairs to score, or vLLM's queries and documents." }),
        queries: texts.optional().openapi({ description: 'One for all documents, or one for each.' }),
        documents: texts.optional(),
        items: texts.optional().openapi({ description: 'Another name for documents.' }),
        data_1: texts.optional().openapi({ description: 'Another name for queries, with data_2.' }),
        data_2: texts.optional(),
        text_1: texts.optional().openapi({ description: 'Another name for queries, with text_2.' }),
        text_2: texts.optional(),
        raw_scores: z.boolean().nullish().openapi({ description: 'Logits instead of numbers from 0 to 1.' }),
      })
      .openapi('ScoreRequest', { anyOf: [{ required: ['pairs'] }, ...SIDES.map((side) => ({ required: [...side] }))] }),
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
};

type Texts = z.infer<typeof texts>;

export function addScoreRoute(app: OpenAPIHono<ServerEnv>, scoring: Scoring): void {
  const addAt = (path: '/score' | '/v1/score') =>
    app.openapi(createRoute({ ...route, path }), async (c) => {
      const request = c.req.valid('json');
      const pairs = request.pairs ?? crossed(request);
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
      const body = {
        id: c.var.id,
        object: 'list' as const,
        created: Math.floor(Date.now() / 1000),
        model: answer.model,
      };
      return c.json({ ...body, data, usage: { total_tokens: answer.tokens, prompt_tokens: answer.tokens } }, 200);
    });
  addAt('/score');
  addAt('/v1/score');
}

/** One text of the first side for all of the second, or one for each. */
function crossed(request: Partial<Record<(typeof SIDES)[number][number], Texts | undefined>>): TextPair[] {
  const sides = SIDES.find(([one, other]) => request[one] !== undefined && request[other] !== undefined);
  if (sides === undefined) throw new BadRequest(422, 'invalid_request', 'give pairs, or queries and documents');
  const [queries, documents] = sides.map((side) => [request[side]!].flat()) as [string[], string[]];
  if (queries.length !== 1 && queries.length !== documents.length) {
    const [one, other] = sides;
    const counts = `${one} has ${queries.length} texts and ${other} has ${documents.length}`;
    throw new BadRequest(422, 'invalid_request', `${counts}; ${one} must have one, or as many as ${other}`);
  }
  return documents.map((document, i) => ({ query: queries[queries.length === 1 ? 0 : i]!, document }));
}
