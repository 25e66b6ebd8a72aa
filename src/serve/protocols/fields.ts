import { z } from '@hono/zod-openapi';

// What requests of several protocols have in common.

export const model = z
  .string()
  .nullish()
  .openapi({ description: "A model's name here; the default where none is given." });
export const query = z.string().openapi({ description: 'What is searched for.', example: 'what is a cross-encoder' });
export const topN = z
  .int()
  .min(0)
  .nullish()
  .openapi({ description: 'How many of the best documents to return; all where it is 0 or not given.' });

/** A text, or an object with texts. */
export const document = z.union([z.string(), z.record(z.string(), z.unknown())]);

export const usage = z.object({ total_tokens: z.int(), prompt_tokens: z.int().optional() });

export const ranked = z.object({
  index: z.int().openapi({ description: 'Of the document in the request, from 0.' }),
  relevance_score: z.number().openapi({ description: 'From 0 to 1: the sigmoid of the logit.' }),
  document: z.object({ text: z.string() }).loose().optional(),
  truncated: z
    .literal(true)
    .optional()
    .openapi({ description: 'The model did not read the end of the query or of this document.' }),
});

/** A failure, in every protocol's words but TEI's. */
export const failure = z
  .object({
    id: z.string(),
    message: z.string(),
    detail: z.string(),
    error: z.object({ message: z.string(), type: z.string(), code: z.int() }),
  })
  .openapi('Failure');

export const teiFailure = z.object({ error: z.string(), error_type: z.string() }).openapi('TeiFailure');

const FAILURES: Readonly<Record<number, string>> = {
  400: 'The request is not valid.',
  401: 'No key, or a wrong one.',
  403: 'The server may not be called by this host name.',
  404: 'No such model.',
  413: 'Too many documents or tokens, or too large a body.',
  415: 'The body is not JSON.',
  422: 'The request does not have the form that is described here.',
  429: 'Too many requests are in work; Retry-After says when to try again.',
  500: 'The server failed.',
  503: 'The server is ending, or has no memory left.',
  504: 'The deadline has passed.',
};

/** Answers other than 200 of a route. */
export function failures(schema: z.ZodType) {
  const entries = Object.entries(FAILURES).map(([status, description]) => [
    status,
    { description, content: { 'application/json': { schema } } },
  ]);
  return Object.fromEntries(entries) as Record<
    400,
    { description: string; content: { 'application/json': { schema: z.ZodType } } }
  >;
}

export function jsonBody<T extends z.ZodType>(schema: T) {
  return { body: { content: { 'application/json': { schema } }, required: true } };
}

export function jsonAnswer<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { 'application/json': { schema } } };
}
