import { TrainableModel } from '../../src/engine/trainable-model.js';
import { createLoss } from '../../src/loss/create-loss.js';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { Trainer } from '../../src/train/trainer.js';
import { engineOptions } from './device.js';
import { peakGpuMiB, peakRssMiB, watchAnonymous } from './memory-use.js';
import { dl20Pairs, TRUNCATION } from './pairs.js';
import type { RowMeasurement, RowTask } from './row-measurement.js';
import { scorePairs } from './score-pairs.js';

/** The forward, the gradient of the inputs and the gradient of the weights. */
const FLOPS_OF_A_STEP = 3;

/** A batch of topics, with targets by rank. */
export function trainingSamples(pairs: readonly TextPair[], queries: number, docs: number) {
  return Array.from({ length: queries }, (_, q) => {
    const own = pairs.slice(q * docs, (q + 1) * docs);
    return {
      queryId: String(q),
      query: own[0]!.query,
      docIds: own.map((_, i) => String(i)),
      docs: own.map(({ document }) => document),
      targets: own.map((_, i) => docs - i),
    };
  });
}

/** Steps with RankNet, AdamW and the dropout of the model's configuration, on one batch again and again. */
export async function measureTraining(task: RowTask, queries: number, docs: number): Promise<RowMeasurement> {
  const memory = watchAnonymous();
  const samples = trainingSamples(await dl20Pairs(queries * docs), queries, docs);
  const start = performance.now();
  const secondsSince = (then: number): number => (performance.now() - then) / 1000;
  await using model = await TrainableModel.load(task.folder, {
    ...engineOptions(task.device, task.precision),
    threads: task.threads,
    config: TRUNCATION,
    onWarning: () => undefined,
  });
  const loadSeconds = secondsSince(start);
  const trainer = new Trainer(model, {
    losses: [createLoss('RankNet')],
    optimizer: { lr: 1e-5 },
    tokenBudget: task.tokenBudget,
  });
  const step = async (): Promise<number> => {
    const { tokens } = await trainer.backward(await trainer.encode(samples));
    await trainer.update();
    return tokens;
  };
  await step(); // fills caches, touches all memory
  const firstSeconds = secondsSince(start);

  const pairs = samples.flatMap(({ query, docs: texts }) => texts.map((document) => ({ query, document })));
  const forward = await scorePairs(model, pairs);
  let tokens = 0;
  let steps = 0;
  const timed = performance.now();
  do {
    tokens += await step();
    steps += 1;
  } while (task.steps === undefined ? secondsSince(timed) < task.seconds : steps < task.steps);
  return {
    computed: model.native.precision,
    pairs: queries * docs * steps,
    tokens,
    linearFlops: FLOPS_OF_A_STEP * forward.linearFlops * steps,
    seconds: secondsSince(timed),
    loadSeconds,
    firstSeconds,
    peakRssMiB: peakRssMiB(),
    peakAnonymousMiB: memory.stop(),
    peakGpuMiB: peakGpuMiB(task.device),
  };
}
