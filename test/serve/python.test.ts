import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serve, type RerankServer } from '../../src/serve/serve.js';
import { temporaryFolder } from '../support/files.js';
import { expectedPairs, modelFolder } from '../support/models.js';

const test = suite('Python clients and schemathesis call the server');
const run = promisify(execFile);

/**
 * A Python with `pip install cohere voyageai llama-index-postprocessor-jinaai-rerank llama-index-postprocessor-tei-rerank
 * schemathesis`, or some of them; without it this file tests nothing.
 */
const python = process.env['RANK_DISTILLM_PYTHON'];

/** The order of documents that each client gives; null where it is not installed. */
const CLIENTS = `
import json, sys

url, query, documents = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

def cohere_v2():
    import cohere
    found = cohere.ClientV2(api_key="x", base_url=url).rerank(model="tiny", query=query, documents=documents)
    return [one.index for one in found.results]

def cohere_v1():
    import cohere
    found = cohere.Client(api_key="x", base_url=url).rerank(model="tiny", query=query, documents=documents)
    return [one.index for one in found.results]

def voyage():
    import voyageai
    found = voyageai.Client(api_key="x", base_url=url + "/voyage/v1").rerank(query, documents, model="tiny")
    return [one.index for one in found.results]

def llama_index(postprocessor):
    from llama_index.core.schema import NodeWithScore, TextNode
    nodes = [NodeWithScore(node=TextNode(text=text, id_=str(i))) for i, text in enumerate(documents)]
    return [int(one.node.node_id) for one in postprocessor.postprocess_nodes(nodes, query_str=query)]

def jina_of_llama_index():
    from llama_index.postprocessor.jinaai_rerank import JinaRerank
    return llama_index(JinaRerank(api_key="x", model="tiny", top_n=len(documents), base_url=url + "/v1"))

def tei_of_llama_index():
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference
    return llama_index(TextEmbeddingInference(base_url=url, top_n=len(documents)))

orders = {}
for client in (cohere_v2, cohere_v1, voyage, jina_of_llama_index, tei_of_llama_index):
    try:
        orders[client.__name__] = client()
    except ImportError:
        orders[client.__name__] = None
print(json.dumps(orders))
`;

if (python === undefined) {
  console.log('left out: tests with Python clients: RANK_DISTILLM_PYTHON names no Python');
} else {
  const golden = await expectedPairs();
  const documents = golden.map(({ document }) => document);
  const { query } = golden[0]!;
  let server: RerankServer;
  test.before(async () => {
    server = await serve({ models: { tiny: modelFolder() }, port: 0 });
  });
  test.after(() => server.close());

  test('clients rank', async () => {
    const { stdout } = await run(python, ['-c', CLIENTS, server.url, query, JSON.stringify(documents)]);
    const response = await fetch(`${server.url}/rerank`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, texts: documents, truncate: true }),
    });
    const order = ((await response.json()) as { index: number }[]).map(({ index }) => index);
    const found = Object.entries(JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, number[] | null>);
    const installed = found.filter(([, own]) => own !== null);
    for (const [name, own] of found) if (own === null) console.log(`left out: ${name}, which ${python} does not have`);
    assert.ok(installed.length > 0);
    for (const [name, own] of installed) assert.equal(own, order, name);
  });

  test('schemathesis finds no failure of the server and no answer against its schema', async () => {
    // a request that fits the schema may still name fields that its documents lack: that check alone is left out
    const options = ['--checks', 'all', '--exclude-checks', 'positive_data_acceptance', '--max-examples', '200'];
    const program = join(dirname(python), 'schemathesis');
    const { stdout } = await run(program, ['run', `${server.url}/openapi.json`, '--no-color', ...options], {
      cwd: temporaryFolder(), // it leaves a cache there
    });
    assert.match(stdout, /Tested: 8/);
  });
}

test.run();
