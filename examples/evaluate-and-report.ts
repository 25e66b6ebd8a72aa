// Measure runs, test them against the first one, and write a page with charts and rankings.
//   node examples/evaluate-and-report.ts qrels.txt bm25.run reranked.run
import { compareRuns, evaluate, formatComparison, readDataset, readQrels, readRun, report } from 'rank-distillm';

const [qrelsFile = 'qrels.txt', ...runs] = process.argv.slice(2);
const qrels = await readQrels(qrelsFile);
for (const run of runs) {
  const { mean } = evaluate(await readRun(run, { ignoreRanks: true }), qrels, ['nDCG@10', 'RR']);
  console.log(run, mean);
}

const compare = { measures: ['nDCG@10', 'RR'] };
const dataset = await readDataset({ qrels: qrelsFile, runs });
console.log(formatComparison(compareRuns([dataset], compare), 'markdown'));
await report({ output: 'report.html', datasets: [dataset], compare });
