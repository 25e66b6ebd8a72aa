import { join } from 'node:path';
import { writeLines } from '../lib/data.js';
import { Random } from '../demo/random.js';
import { DEFAULT_WORLD, generateWorld, scaledWorld } from '../demo/world/generate.js';
import { writeWorld } from '../demo/world/write.js';

/**
 * Writes three runs of an invented world, with texts and an invented log of training, into a folder.
 *
 * @param addition text behind each passage
 * @returns the arguments of `rank-distillm report` for them
 */
export async function worldToReport(folder: string, addition = ''): Promise<string[]> {
  const world = generateWorld({ ...scaledWorld(DEFAULT_WORLD, 0.2), seed: 42 });
  for (const passage of world.passages) passage.text += addition;
  const { collection, test } = await writeWorld(world, folder);
  const random = new Random(1);
  const noisy = world.test.teacher.map(({ queryId, docId, score }) => ({
    queryId,
    docId,
    score: score + 6 * random.normal(),
  }));
  const runs = { bm25: world.test.bm25, teacher: world.test.teacher, 'teacher-noisy': noisy };
  const paths: string[] = [];
  for (const [name, run] of Object.entries(runs)) {
    const path = join(folder, `${name}.run`);
    await writeLines(
      path,
      run.map(({ queryId, docId, score }) => `${queryId} Q0 ${docId} 0 ${score.toFixed(4)} ${name}`),
    );
    paths.push(path);
  }
  const log = Array.from({ length: 60 }, (_, i) => {
    const step = 10 * (i + 1);
    const validation = i % 10 === 9 ? (0.8 - 0.5 * Math.exp(-i / 15)).toFixed(4) : '';
    return `${(0.3 + 2 * Math.exp(-i / 12) + 0.05 * random.normal()).toFixed(4)},${1e-5 * Math.min(1, (i + 1) / 10)},${validation},${step}`;
  });
  const metrics = join(folder, 'metrics.csv');
  await writeLines(metrics, ['loss,lr-AdamW,invented-world/nDCG@10,step', ...log]);
  return [
    ...['report', '--qrels', test.qrels, '--run', ...paths, '--queries', test.queries, '--docs', collection],
    ...['--metrics', 'nDCG@10', 'AP', '--training', metrics],
  ];
}
