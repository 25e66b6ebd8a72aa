import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rerankingModel } from '../../src/adapters/ai-sdk.js';
import { CrossEncoderCompressor } from '../../src/adapters/langchain.js';
import { CrossEncoderPostprocessor } from '../../src/adapters/llamaindex.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { frameworks } from '../support/frameworks.js';
import { expectedPairs, modelFolder } from '../support/models.js';

const test = suite('adapters in their frameworks');
const load = frameworks();

const golden = await expectedPairs();
const { query } = golden[0]!;
const texts = golden.map(({ document }) => document);
let model: CrossEncoder;
let order: number[];
let relevance: number[];
test.before(async () => {
  model = await CrossEncoder.load(modelFolder());
  const ranked = await model.rank(query, texts, { activation: 'sigmoid' });
  order = ranked.map(({ index }) => index);
  relevance = ranked.map(({ score }) => score);
});
test.after(() => model.close());

/** Documents and retrievers of LangChain, as far as this test uses them. */
interface LangChainDocument {
  pageContent: string;
  metadata: Record<string, unknown>;
  id?: string;
}
interface Retriever {
  invoke(query: string): Promise<LangChainDocument[]>;
}
interface LlamaIndexNode {
  node: { id_: string; metadata: object; getContent(mode: never): string };
  score: number;
}
interface AiSdk {
  rerank(
    this: void,
    options: object,
  ): Promise<{ ranking: { originalIndex: number; score: number; document: unknown }[] }>;
}

if (load) {
  test('LangChain: behind its ContextualCompressionRetriever', async () => {
    const { Document } = load('@langchain/core/documents') as {
      Document: new (fields: object) => LangChainDocument;
    };
    const { FakeRetriever } = load('@langchain/core/utils/testing') as {
      FakeRetriever: new (fields: object) => Retriever;
    };
    const { ContextualCompressionRetriever } = load('@langchain/classic/retrievers/contextual_compression') as {
      ContextualCompressionRetriever: new (fields: object) => Retriever;
    };
    const { BaseDocumentCompressor } = load('@langchain/core/retrievers/document_compressors') as {
      BaseDocumentCompressor: { isBaseDocumentCompressor(value: unknown): boolean };
    };
    const documents = texts.map(
      (pageContent, i) => new Document({ pageContent, metadata: { page: i }, id: `id-${i}` }),
    );
    const baseCompressor = new CrossEncoderCompressor({ model, topN: 4 });
    assert.ok(BaseDocumentCompressor.isBaseDocumentCompressor(baseCompressor));
    const baseRetriever = new FakeRetriever({ output: documents });
    const found = await new ContextualCompressionRetriever({ baseCompressor, baseRetriever }).invoke(query);
    assert.equal(
      found.map(({ id, metadata }) => [id, metadata]),
      order.slice(0, 4).map((index, i) => [`id-${index}`, { page: index, relevanceScore: relevance[i] }]),
    );
    assert.instance(found[0], Document);
    assert.equal(documents[order[0]!]!.metadata, { page: order[0] });
  });

  test('LlamaIndex: nodes keep what they hold and get new scores', async () => {
    const { TextNode } = load('@llamaindex/core/schema') as {
      TextNode: new (fields: object) => LlamaIndexNode['node'];
    };
    const nodes = texts.map((text, i) => ({
      node: new TextNode({ text, id_: `n${i}`, metadata: { page: i } }),
      score: 0.5,
    }));
    const postprocessor = new CrossEncoderPostprocessor({ model });
    for (const asked of [query, [{ type: 'text', text: query }]]) {
      const found = await postprocessor.postprocessNodes(nodes, asked);
      assert.equal(
        found.map(({ node, score }) => [node.id_, node.metadata, score]),
        order.map((index, i) => [`n${index}`, { page: index }, relevance[i]]),
      );
    }
    assert.is(nodes[0]!.score, 0.5);
    assert.is(await postprocessor.postprocessNodes(nodes), nodes);
  });

  test('AI SDK: rerank() takes texts and objects, and passes its signal on', async () => {
    const { rerank } = load('ai') as AiSdk;
    const reranker = rerankingModel({ model });
    const { ranking } = await rerank({ model: reranker, query, documents: texts, topN: 3 });
    assert.equal(
      ranking.map(({ originalIndex, score, document }) => [originalIndex, score, document]),
      order.slice(0, 3).map((index, i) => [index, relevance[i], texts[index]]),
    );
    const objects = texts.map((text, id) => ({ id, text }));
    const given = await rerank({ model: reranker, query, documents: objects });
    assert.is(given.ranking.length, texts.length);
    assert.equal(given.ranking[0]!.document, objects[given.ranking[0]!.originalIndex]);
    const abort = new AbortController();
    abort.abort();
    await rerank({ model: reranker, query, documents: texts, abortSignal: abort.signal, maxRetries: 0 }).then(
      () => assert.unreachable('an aborted call was answered'),
      () => undefined,
    );
  });
}

test('a low score leaves documents out, no documents need no model', async () => {
  const compressor = new CrossEncoderCompressor({ model, minScore: relevance[2]! });
  const documents = texts.map((pageContent) => ({ pageContent, metadata: {} }));
  assert.is((await compressor.compressDocuments(documents, query)).length, 3);
  assert.equal(await compressor.compressDocuments([], query), []);
});

test.run();
