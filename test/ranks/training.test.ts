import { readFileSync } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { createLoss } from '../../src/loss/create-loss.js';
import { inFolder } from '../support/files.js';
import { LOADER } from '../support/programs.js';
import { hasRanks, runRanks } from '../support/ranks.js';
import { sharedPath } from '../support/shared.js';
import { norm, relativeDistance } from '../support/tolerances.js';
import { trainGolden, type Trained } from './train-golden.js';

const test = suite('training on several ranks');
const CHILD = [process.execPath, '--import', LOADER, fileURLToPath(new URL('./train-child.ts', import.meta.url))];

const golden = sharedPath('golden/training.json');
const goldenModel = sharedPath('golden/tiny-monoelectra');

/**
 * The bound on gradients, as a share of the norms that are added up: only the order of sums differs. Samples partly cancel
 * out, so that of the sum's own norm RankNet's is 1.05e-6; one process whose samples come in another order is off by 1.6e-6.
 */
const GRADIENT = 1e-6;
/** Of ten AdamW steps, which divide by the gradient's own size: rounding noise takes either sign. */
const LOSS = 1e-4;
const STEPS = 10;

function read(out: string, rank: number): Trained {
  const floats = (name: string): Float32Array => {
    const bytes = readFileSync(`${out}.${rank}.${name}`);
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  };
  const rest = JSON.parse(readFileSync(`${out}.${rank}.json`, 'utf8')) as Pick<Trained, 'steps' | 'parts'>;
  return { gradient: floats('gradient'), values: floats('values'), ...rest };
}

if (hasRanks() && golden && goldenModel) {
  // RankNet is a mean over pairs, of which ranks have different numbers; a batch of 3 leaves one of 1 to the last step
  for (const [ranks, batchSize, loss] of [
    [2, 4, 'RankNet'],
    [4, 4, 'InfoNCE'],
    [2, 3, 'RankNet'],
  ] as const) {
    test(`${ranks} ranks, ${batchSize} samples a step, ${loss}: gradient and ${STEPS} steps are one rank's, with dropout`, () =>
      inFolder(async (folder) => {
        const model = join(folder, 'model');
        await cp(goldenModel, model, { recursive: true });
        const path = join(model, 'config.json');
        const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
        const rates = { hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1, classifier_dropout: 0.1 };
        await writeFile(path, JSON.stringify({ ...config, ...rates }));
        const job = { model, golden, loss, batchSize, steps: STEPS };
        await using alone = await TrainableModel.load(model, { threads: 1 });
        const expected = await trainGolden(alone, createLoss(loss), job);

        const out = join(folder, 'out');
        const ended = await runRanks(ranks, [JSON.stringify({ ...job, out })], { command: CHILD });
        for (const { code, stderr } of ended) assert.is(code, 0, stderr);
        for (let rank = 0; rank < ranks; rank++) {
          const found = read(out, rank);
          const distance = relativeDistance(found.gradient, expected.gradient) * norm(expected.gradient);
          const added = found.parts.reduce((sum, part) => sum + part, 0);
          assert.ok(distance <= GRADIENT * added, `rank ${rank}: the gradient is off by ${distance} of ${added}`);
          found.steps.forEach((step, i) => {
            const { loss, norm } = expected.steps[i]!;
            assert.ok(Math.abs(step.loss - loss) <= LOSS * Math.abs(loss), `step ${i + 1}: ${step.loss}, not ${loss}`);
            assert.ok(Math.abs(step.norm - norm) <= 10 * LOSS * norm, `step ${i + 1}: norm ${step.norm}, not ${norm}`);
          });
          assert.equal(
            Buffer.from(found.values.buffer),
            Buffer.from(read(out, 0).values.buffer),
            'ranks drifted apart',
          );
        }
      }));
  }
}

test.run();
