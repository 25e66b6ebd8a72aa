// The least that a server in Node.js can do with a request to rank: read it, score it, answer it. No routes, checks, limits,
// log, metrics or deadlines. `npm run bench -- serve` runs it in a process of its own: FOLDER PRECISION.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';

const [folder = '', precision = ''] = process.argv.slice(2);
const model = await CrossEncoder.load(folder, { precision });

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const { query, documents } = JSON.parse(Buffer.concat(parts).toString()) as { query: string; documents: string[] };
  const ranked = await model.rank(query, documents, { activation: 'sigmoid' });
  const body = JSON.stringify({ results: ranked.map(({ index, score }) => ({ index, relevance_score: score })) });
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

const server = createServer((request, response) => void answer(request, response));
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stderr.write(`${JSON.stringify({ event: 'listening', level: 'info', url: `http://127.0.0.1:${port}` })}\n`);
});
process.once('SIGTERM', () => process.exit());
