import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/random/random-stream.js';
import { findLastCheckpoint } from '../../src/train/checkpoints/find.js';
import { readTrainerCheckpoint } from '../../src/train/checkpoints/trainer-checkpoint.js';
import { inFolder } from '../support/files.js';
import { copyModel } from '../support/models.js';
import { writeTrainingCollection } from '../support/collections.js';
import { LOADER } from '../support/programs.js';

const test = suite('resuming after SIGKILL');

/** As in resumed-run.ts. */
const STEPS = 200;
const CHECKPOINT_EVERY = 5;
const KILLS = 20;
const program = fileURLToPath(new URL('resumed-run.ts', import.meta.url));

interface Run {
  /** Step it went on from. */
  start: number;
  /** Last step it said was done. */
  last: number;
  done: boolean;
  errors: string;
}

/** Runs to the end, or is killed some milliseconds after it has done so many steps. */
function run(folder: string, root: string, resume: boolean, kill?: { steps: number; delay: number }): Promise<Run> {
  const args = ['--import', LOADER, program, folder, root, ...(resume ? ['last'] : [])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const result: Run = { start: -1, last: 0, done: false, errors: '' };
  let steps = 0;
  let text = '';
  child.stderr.on('data', (chunk) => (result.errors += chunk));
  child.stdout.on('data', (chunk) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const [word, number] = line.split(' ');
      if (word === 'start') result.start = Number(number);
      else if (word === 'done') result.done = true;
      else {
        result.last = Number(number);
        steps += 1;
        if (steps === kill?.steps) setTimeout(() => child.kill('SIGKILL'), kill.delay);
      }
    }
  });
  return new Promise((resolve) => child.on('close', () => resolve(result)));
}

async function prepare(folder: string): Promise<void> {
  await writeTrainingCollection(folder);
  await copyModel(join(folder, 'model'));
  const path = join(folder, 'model/config.json');
  const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  await writeFile(path, JSON.stringify({ ...config, hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1 }));
}

async function finalFiles(root: string): Promise<Buffer[]> {
  const folder = (await findLastCheckpoint(root))!;
  assert.is((await readTrainerCheckpoint(folder)).state.step, STEPS);
  return Promise.all(['model.safetensors', 'optimizer.safetensors'].map((name) => readFile(join(folder, name))));
}

test(`a run killed ${KILLS} times and resumed ends in the same bits as an undisturbed one`, () =>
  inFolder(async (folder) => {
    await prepare(folder);
    const whole = await run(folder, join(folder, 'whole'), false);
    assert.ok(whole.done, whole.errors);

    const random = new RandomStream({ seed: 1, purpose: 'test', epoch: 0 });
    const root = join(folder, 'killed');
    let before: Run | undefined;
    let kills = 0;
    let epochs = 0;
    while (!before?.done) {
      // The first kill comes after the first checkpoint: before it there is nothing to resume.
      const steps = (before ? 1 : CHECKPOINT_EVERY + 1) + random.below(CHECKPOINT_EVERY + 2);
      const kill = kills < KILLS ? { steps, delay: random.below(25) } : undefined;
      const now = await run(folder, root, before !== undefined, kill);
      assert.ok(now.start >= 0, now.errors);
      if (before) {
        assert.is(now.start % CHECKPOINT_EVERY, 0);
        assert.ok(now.start <= before.last + 1, `resumed from ${now.start} after ${before.last}`);
        assert.ok(before.last - now.start <= CHECKPOINT_EVERY, `resumed from ${now.start} after ${before.last}`);
      }
      if (kill && !now.done) kills += 1;
      const last = await findLastCheckpoint(root);
      if (last) epochs = (await readTrainerCheckpoint(last)).state.epoch; // whole at every moment, or this throws
      before = now;
    }
    assert.is(kills, KILLS);
    assert.ok(epochs >= 1, 'the second epoch was reached');
    const [weights, moments] = await finalFiles(root);
    const [wholeWeights, wholeMoments] = await finalFiles(join(folder, 'whole'));
    assert.ok(weights!.equals(wholeWeights!), 'weights are the same bits');
    assert.ok(moments!.equals(wholeMoments!), 'moments are the same bits');
  }));

test.run();
