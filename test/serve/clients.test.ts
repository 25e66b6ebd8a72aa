import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serve, type RerankServer } from '../../src/serve/serve.js';
import { frameworks } from '../support/frameworks.js';
import { expectedPairs, modelFolder } from '../support/models.js';

const test = suite('official clients call the server');
const load = frameworks();

const golden = await expectedPairs();
const { query } = golden[0]!;
const documents = golden.map(({ document }) => document);
const KEY = 'a-key';
let server: RerankServer;
let order: number[];
test.before(async () => {
  server = await serve({ models: { tiny: modelFolder() }, port: 0, apiKeys: [KEY] });
  const response = await fetch(`${server.url}/rerank`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
    body: JSON.stringify({ query, texts: documents, truncate: true }),
  });
  order = ((await response.json()) as { index: number }[]).map(({ index }) => index);
});
test.after(() => server.close());

interface Ranked {
  results: { index: number; relevanceScore: number; document?: { text: string } }[];
}
type CohereClass = new (options: object) => {
  rerank(request: object): Promise<Ranked>;
  v2: { rerank(request: object): Promise<Ranked> };
};

if (load) {
  const { CohereClient, CohereError, CohereTimeoutError } = load('cohere-ai') as {
    CohereClient: CohereClass;
    CohereError: new () => Error;
    CohereTimeoutError: new () => Error;
  };
  const indices = ({ results }: Ranked) => results.map(({ index }) => index);

  test("Cohere's client, both versions", async () => {
    const client = new CohereClient({ environment: server.url, token: KEY });
    const second = await client.v2.rerank({ model: 'tiny', query, documents, topN: 5 });
    assert.equal(indices(second), order.slice(0, 5));
    const first = await client.rerank({ model: 'tiny', query, documents, returnDocuments: true });
    assert.equal(indices(first), order);
    assert.is(first.results[0]!.document!.text, documents[order[0]!]);
  });

  test("Cohere's client understands our errors", async () => {
    const wrong = new CohereClient({ environment: server.url, token: 'other' });
    const unknown = new CohereClient({ environment: server.url, token: KEY });
    for (const [call, status, text] of [
      [wrong.v2.rerank({ model: 'tiny', query, documents }), 401, /give a key/],
      [unknown.v2.rerank({ model: 'rerank-v3.5', query, documents }), 404, /not served here/],
      [unknown.v2.rerank({ model: 'tiny', query, documents: [] }), 422, /documents/],
    ] as const) {
      await call.then(
        () => assert.unreachable(),
        (error: Error & { statusCode: number }) => {
          assert.instance(error, CohereError);
          assert.not.instance(error, CohereTimeoutError);
          assert.is(error.statusCode, status);
          assert.match(error.message, text);
        },
      );
    }
  });

  test("LangChain's CohereRerank", async () => {
    const { CohereRerank } = load('@langchain/cohere') as {
      CohereRerank: new (options: object) => {
        compressDocuments(documents: object[], query: string): Promise<{ metadata: { relevanceScore: number } }[]>;
        rerank(documents: string[], query: string, options: object): Promise<Ranked['results']>;
      };
    };
    const client = new CohereClient({ environment: server.url, token: KEY });
    const reranker = new CohereRerank({ client, model: 'tiny', topN: 3 });
    const ranked = await reranker.rerank(documents, query, { model: 'tiny', topN: documents.length });
    assert.equal(
      ranked.map(({ index }) => index),
      order,
    );
    const given = documents.map((pageContent, page) => ({ pageContent, metadata: { page } }));
    const kept = (await reranker.compressDocuments(given, query)) as { metadata: { page?: number } }[];
    assert.equal(
      kept.map(({ metadata }) => metadata.page),
      order.slice(0, 3),
    );
  });

  test("the AI SDK's Cohere provider", async () => {
    const { createCohere } = load('@ai-sdk/cohere') as {
      createCohere: (options: object) => { reranking(model: string): object };
    };
    const { rerank } = load('ai') as {
      rerank(this: void, options: object): Promise<{ ranking: { originalIndex: number }[] }>;
    };
    const cohere = createCohere({ baseURL: `${server.url}/v2`, apiKey: KEY });
    const { ranking } = await rerank({ model: cohere.reranking('tiny'), query, documents });
    assert.equal(
      ranking.map(({ originalIndex }) => originalIndex),
      order,
    );
  });
}

test.run();
