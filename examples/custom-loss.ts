// Train with a loss of your own. In a YAML configuration the same class is `class_path: ./examples/custom-loss.ts:Hinge`.
//   node examples/custom-loss.ts MODEL train.run.jsonl [STEPS]
import { fit, type Loss, type LossResult, type ScoreMatrix } from 'rank-distillm';

/** Pairwise hinge loss: a better document should score above a worse one by `margin`. Mean over the pairs of all queries. */
export class Hinge implements Loss {
  readonly name = 'Hinge';
  readonly margin: number;

  constructor({ margin = 1 }: { margin?: number } = {}) {
    this.margin = margin;
  }

  compute({ queries, docs, values: scores }: ScoreMatrix, { values: targets }: ScoreMatrix): LossResult {
    const gradient = new Float64Array(scores.length);
    let value = 0;
    let pairs = 0;
    for (let query = 0; query < queries; query += 1) {
      const row = Array.from({ length: docs }, (_, doc) => query * docs + doc);
      for (const better of row) {
        for (const worse of row.filter((other) => targets[better]! > targets[other]!)) {
          pairs += 1;
          const short = this.margin - (scores[better]! - scores[worse]!);
          if (short <= 0) continue;
          value += short;
          gradient[better]! -= 1;
          gradient[worse]! += 1;
        }
      }
    }
    const count = Math.max(pairs, 1);
    return { value: value / count, gradient: gradient.map((sum) => sum / count) };
  }
}

if (import.meta.filename === process.argv[1]) {
  const [model = 'cross-encoder/ms-marco-MiniLM-L6-v2', run = 'train.run.jsonl', steps = '1000'] =
    process.argv.slice(2);
  const { modelFolder } = await fit({
    model,
    train: { dataset: { runPathOrId: run, targets: 'relevance' }, batchSize: 2 },
    losses: [new Hinge({ margin: 0.5 })],
    trainer: { maxSteps: Number(steps), defaultRootDir: 'hinge-model' },
    logFolder: 'hinge-model',
    onStep: ({ step, loss }) => console.log(`step ${step}: loss ${loss.toFixed(4)}`),
  });
  console.log(`saved ${modelFolder}`);
}
