// Fine-tune a model on what your own users clicked.
//   node examples/fine-tune-on-clicks.ts MODEL clicks.jsonl [STEPS]
import { readFile, writeFile } from 'node:fs/promises';
import { createLoss, fit } from 'rank-distillm';

/** A list that was shown, best first, and which of its documents were clicked. */
interface Session {
  query: string;
  shown: { text: string; clicked: boolean }[];
}

const [model = 'cross-encoder/ms-marco-MiniLM-L6-v2', clicks = 'clicks.jsonl', steps = '1000'] = process.argv.slice(2);
const sessions = (await readFile(clicks, 'utf8'))
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Session)
  // a list without a click, or with nothing else, teaches nothing
  .filter(({ shown }) => new Set(shown.map(({ clicked }) => clicked)).size === 2);

// a run that brings its texts and its judgements
const run = 'clicks-run.jsonl';
const lines = sessions.flatMap(({ query, shown }, topic) =>
  shown.map(({ text, clicked }, i) =>
    JSON.stringify({
      query_id: `q${topic}`,
      doc_id: `d${topic}-${i}`,
      rank: i + 1,
      query,
      text,
      relevance: clicked ? 1 : 0,
    }),
  ),
);
await writeFile(run, `${lines.join('\n')}\n`);

const { modelFolder } = await fit({
  model,
  train: {
    // every list is cut to the length of the shortest one
    dataset: {
      runPathOrId: run,
      targets: 'relevance',
      sampleSize: Math.min(...sessions.map(({ shown }) => shown.length)),
    },
    batchSize: 2,
  },
  losses: [createLoss('RankNet')], // a clicked document should score above each one that was not
  optimizer: { lr: 2e-5 },
  trainer: { maxSteps: Number(steps), defaultRootDir: 'clicks-model' },
  logFolder: 'clicks-model',
});
console.log(`saved ${modelFolder}`);
