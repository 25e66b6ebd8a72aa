// Re-rank the hits of a search engine before they are shown.
//   node examples/rerank-search.ts [MODEL]
import { CrossEncoder } from 'rank-distillm';

interface Hit {
  id: string;
  text: string;
}

/** Stands for your search engine: a hundred candidates by BM25 or vectors, best first. */
async function search(_query: string): Promise<Hit[]> {
  return [
    { id: 'shop', text: 'Buy a bicycle pump. All bicycle pumps ship for free.' },
    { id: 'forum', text: 'My tyre keeps losing air. Is it the valve or the tube?' },
    { id: 'guide', text: 'To fix a flat, take the wheel off, pull out the tube and glue a patch over the hole.' },
  ];
}

const query = 'how do I repair a puncture';
const model = await CrossEncoder.load(process.argv[2] ?? 'cross-encoder/ms-marco-MiniLM-L6-v2');
const hits = await search(query);
const ranked = await model.rank(
  query,
  hits.map(({ text }) => text),
  { topK: 10 },
);
for (const { index, score } of ranked) console.log(`${score.toFixed(3)}  ${hits[index]!.id}`);
await model.close();
