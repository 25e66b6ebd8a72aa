// Re-rank a file of any length: JSON lines with a query and its documents in, the same with the documents in order out.
//   node examples/rerank-file.ts MODEL queries.jsonl ranked.jsonl
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { CrossEncoder } from 'rank-distillm';

interface Line {
  query: string;
  documents: string[];
}

const [model = 'cross-encoder/ms-marco-MiniLM-L6-v2', input = 'queries.jsonl', output = 'ranked.jsonl'] =
  process.argv.slice(2);
const encoder = await CrossEncoder.load(model, { precision: 'int8' }); // faster, with scores close to float32's
const ranked = createWriteStream(output);
const waiting: Line[] = [];

/** Pairs one after the other: they are scored in large windows, whichever query they belong to. */
async function* pairs() {
  for await (const text of createInterface({ input: createReadStream(input) })) {
    const line = JSON.parse(text) as Line;
    waiting.push(line);
    for (const document of line.documents) yield { query: line.query, document };
  }
}

let scores: number[] = [];
for await (const { score } of encoder.scoreStream(pairs())) {
  scores.push(score);
  const line = waiting[0]!;
  if (scores.length < line.documents.length) continue;
  const documents = line.documents.map((text, i) => ({ text, score: scores[i]! })).sort((a, b) => b.score - a.score);
  if (!ranked.write(`${JSON.stringify({ query: line.query, documents })}\n`)) await once(ranked, 'drain');
  waiting.shift();
  scores = [];
}
ranked.end();
await once(ranked, 'finish');
await encoder.close();
