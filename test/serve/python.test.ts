import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serve, type RerankServer } from '../../src/serve/serve.js';
import { expectedPairs, modelFolder } from '../support/models.js';

const test = suite('Python clients and schemathesis call the server');
const run = promisify(execFile);

/** A Python with `pip install cohere voyageai schemathesis`; without it this file tests nothing. */
const python = process.env['RANK_DISTILLM_PYTHON'];

const CLIENTS = `
import json, sys
import cohere, voyageai

url, query, documents = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
answers = [
    cohere.ClientV2(api_key="x", base_url=url).rerank(model="tiny", query=query, documents=documents).results,
    cohere.Client(api_key="x", base_url=url).rerank(model="tiny", query=query, documents=documents).results,
    voyageai.Client(api_key="x", base_url=url + "/voyage/v1").rerank(query, documents, model="tiny").results,
]
print(json.dumps([[one.index for one in answer] for answer in answers]))
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

  test("Cohere's and Voyage's clients rank", async () => {
    const { stdout } = await run(python, ['-c', CLIENTS, server.url, query, JSON.stringify(documents)]);
    const response = await fetch(`${server.url}/rerank`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, texts: documents, truncate: true }),
    });
    const order = ((await response.json()) as { index: number }[]).map(({ index }) => index);
    assert.equal(JSON.parse(stdout), [order, order, order]);
  });

  test('schemathesis finds no failure of the server and no answer against its schema', async () => {
    // a request that fits the schema may still name fields that its documents lack: that check alone is left out
    const options = ['--checks', 'all', '--exclude-checks', 'positive_data_acceptance', '--max-examples', '200'];
    const program = join(dirname(python), 'schemathesis');
    const { stdout } = await run(program, ['run', `${server.url}/openapi.json`, '--no-color', ...options]);
    assert.match(stdout, /Tested: 7/);
  });
}

test.run();
