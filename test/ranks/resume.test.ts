import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inFolder } from '../support/files.js';
import { LOADER } from '../support/programs.js';
import { hasRanks, runRanks } from '../support/ranks.js';
import type { FitJob } from './fit-child.js';

const test = suite('resume with another number of ranks');
const CHILD = [process.execPath, '--import', LOADER, fileURLToPath(new URL('./fit-child.ts', import.meta.url))];

/** Runs a job on so many ranks; returns the samples of each batch, on all ranks alike. */
async function fitOn(ranks: number, job: FitJob): Promise<number[][]> {
  const alone = ranks === 1 ? { variables: () => ({}) } : {};
  const ended = await runRanks(ranks, [JSON.stringify(job)], { command: CHILD, ...alone });
  for (const { code, stderr } of ended) assert.is(code, 0, stderr);
  for (const { stdout } of ended) assert.is(stdout, ended[0]!.stdout);
  return JSON.parse(ended[0]!.stdout) as number[][];
}

if (hasRanks()) {
  // the first run ends within an epoch of 11 samples, and within the four samples of a step of the second run's batches
  for (const [what, before, after] of [
    ['the same batch on all ranks', { ranks: 2, batchSize: 1, steps: 2 }, { ranks: 1, batchSize: 2, steps: 8 }],
    ['the same batch per rank', { ranks: 2, batchSize: 1, steps: 2 }, { ranks: 1, batchSize: 1, steps: 12 }],
    ['more ranks', { ranks: 1, batchSize: 3, steps: 1 }, { ranks: 2, batchSize: 3, steps: 4 }],
  ] as const) {
    test(`${before.ranks} to ${after.ranks} ranks with ${what}: each sample once an epoch, in order`, () =>
      inFolder(async (root) => {
        const samples = 11;
        const job = { root, samples, accumulate: 2 };
        const first = await fitOn(before.ranks, { ...job, ...before });
        assert.is(first.flat().length, before.steps * 2 * before.batchSize * before.ranks);
        const second = await fitOn(after.ranks, { ...job, ...after });
        const trained = [...first, ...second].flat();
        assert.ok(trained.length > 2 * samples, `${trained.length}`);
        assert.equal(
          trained,
          trained.map((_, i) => i % samples),
        );
      }));
  }
}

test.run();
