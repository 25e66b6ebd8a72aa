import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import { CheckpointKeeper, type CheckpointCallbacks } from '../../src/train/checkpoints/keeper.js';
import { formatCheckpointName } from '../../src/train/checkpoints/name.js';
import type { ModelCheckpointOptions } from '../../src/train/checkpoints/keeper.js';
import { type SavedRun, simulate, type Simulation } from '../support/simulate.js';

const test = suite('checkpoint keeper');

const BASE: Simulation = { limits: { maxEpochs: 3 }, validationBatches: [1], values: [0.5, 0.4, 0.3] };
const changes = (words: readonly string[]): string => words.filter((word) => /^[+-]|^last/.test(word)).join(' ');

function recorder(): {
  callbacks: CheckpointCallbacks;
  calls: string[];
  disk: Set<string>;
  failing: { save: boolean };
} {
  const calls: string[] = [];
  const disk = new Set<string>();
  const failing = { save: false };
  const callbacks: CheckpointCallbacks = {
    async save(folder) {
      if (failing.save) throw new Error('disk full');
      calls.push(`save ${folder}`);
      disk.add(folder);
    },
    async remove(folder) {
      calls.push(`remove ${folder}`);
      disk.delete(folder);
    },
    exists: async (folder) => disk.has(folder),
    async link(folder, name) {
      calls.push(`link ${folder} ${name}`);
    },
  };
  return { callbacks, calls, disk, failing };
}

const CONTEXT = { folder: '/c', validatesAtEpochEnd: true, validates: false };

test('a save that is due where a validation follows is judged by that validation', async () => {
  // Lightning 2.6 judges step 16 by the validation of step 6 and keeps it for nothing, although 0.4 is better than 0.5
  const checkpoint = { monitor: 'val', everyNTrainSteps: 4 };
  const within = { ...BASE, limits: { maxEpochs: 2, valCheckInterval: { batches: 6 } }, checkpoint };
  assert.is(changes((await simulate(within)).trace), '+epoch=0-step=6 +epoch=1-step=16 -epoch=0-step=6');
  // and it never saves step 10 of a run that validates at its epochs' ends, where the metric is not known before
  const atEnds = { ...BASE, limits: { maxEpochs: 2 }, checkpoint: { monitor: 'val', everyNTrainSteps: 5 } };
  assert.is(changes((await simulate(atEnds)).trace), '+epoch=0-step=10 +epoch=1-step=20 -epoch=0-step=10');
});

test('a checkpoint takes the name of the one that it replaces, as in Lightning, and no other', async () => {
  const checkpoint = { filename: 'best', everyNTrainSteps: 8 };
  assert.is(changes((await simulate({ ...BASE, checkpoint })).trace), '+best +best +best');
  const others = new Set(['epoch=0-step=10', 'epoch=0-step=10-v1']);
  const again = await simulate({ ...BASE, limits: { maxEpochs: 1 }, checkpoint: {}, disk: others });
  assert.is(changes(again.trace), '+epoch=0-step=10-v2');
});

test('last is a link, and what it leads to stays though it is not among the best', async () => {
  const checkpoint = { monitor: 'val', everyNTrainSteps: 4, saveLast: true };
  const run = { ...BASE, limits: { maxEpochs: 2, valCheckInterval: { batches: 5 } }, values: [0.5, 0.6, 0.7, 0.8] };
  const { trace, disk, lastLink, keeper } = await simulate({ ...run, checkpoint });
  assert.is(changes(trace), '+epoch=0-step=5 last=5 last=8 last=12 last=16 last=20');
  assert.equal([...disk], ['epoch=0-step=5', 'epoch=1-step=20']);
  assert.is(lastLink, 'epoch=1-step=20');
  assert.equal(keeper?.checkpoints, ['/checkpoints/epoch=0-step=5']);
});

test('the best first', async () => {
  const checkpoint = { monitor: 'val', saveTopK: -1 };
  const { keeper } = await simulate({ ...BASE, values: [0.5, Number.NaN, 0.3], checkpoint });
  const names = ['epoch=2-step=30', 'epoch=0-step=10', 'epoch=1-step=20'];
  assert.equal(
    keeper?.checkpoints,
    names.map((name) => `/checkpoints/${name}`),
  );
});

test('a run that goes on from any of its checkpoints does what the undisturbed run does', async () => {
  const runs: Simulation[] = [
    { ...BASE, checkpoint: { everyNTrainSteps: 4, saveLast: true } },
    { ...BASE, checkpoint: { filename: 'x', everyNTrainSteps: 7 } },
    {
      limits: { maxEpochs: 3, valCheckInterval: { batches: 3 }, accumulateGradBatches: 2 },
      validationBatches: [1],
      values: [0.5, 0.6, 0.4, 0.7, 0.3, 0.45, 0.2, 0.25, 0.1],
      checkpoint: { monitor: 'val', saveTopK: 2, saveLast: true },
      stopping: { monitor: 'val', patience: 9 },
    },
    {
      limits: { maxEpochs: 4, checkValEveryNEpoch: 2 },
      validationBatches: [1],
      values: [0.5, 0.4],
      checkpoint: { monitor: 'val', everyNTrainSteps: 3, saveTopK: 2 },
    },
  ];
  let resumed = 0;
  for (const run of runs) {
    const whole = await simulate(run);
    for (const [name, saved] of whole.saved) {
      // as after a kill between the save and what follows it: what was kept before is still there
      const { position, keeper, stopper } = JSON.parse(saved) as SavedRun;
      const disk = new Set([name, ...keeper.kept.map((kept) => kept.name), ...keeper.obsolete.map(String)]);
      const rest = await simulate({ ...run, disk }, { position, keeper, stopper });
      const known = whole.trace.join(' ');
      const words = rest.trace.join(' ').replace(/^(?:(?:last=\d+|-\S+) ?)+/, '');
      assert.ok(known.endsWith(words), `${name}: ${words}\nis not the end of\n${known}`);
      assert.equal([...rest.disk].sort(), [...whole.disk].sort(), `after ${name}`);
      assert.equal(rest.keeper?.state.kept, whole.keeper?.state.kept);
      resumed++;
    }
  }
  assert.ok(resumed > 15);
});

test('an old checkpoint goes when the new one is whole', async () => {
  const { callbacks, calls, failing } = recorder();
  const keeper = new CheckpointKeeper({ everyNTrainSteps: 1 }, CONTEXT, callbacks);
  await keeper.afterStep({ epoch: 0, step: 1, metrics: {} }, false);
  const before = keeper.state;
  failing.save = true;
  const attempt = keeper.afterStep({ epoch: 0, step: 2, metrics: {} }, false);
  await attempt.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'disk full'),
  );
  assert.equal(keeper.state, before);
  failing.save = false;
  await keeper.afterStep({ epoch: 0, step: 2, metrics: {} }, false);
  assert.equal(calls, ['save /c/epoch=0-step=1', 'save /c/epoch=0-step=2', 'remove /c/epoch=0-step=1']);
});

test('a checkpoint of an interruption goes with the next, one that was named to resume from stays', async () => {
  const { callbacks, calls } = recorder();
  const first = new CheckpointKeeper({ everyNTrainSteps: 5 }, CONTEXT, callbacks);
  await first.afterStep({ epoch: 0, step: 5, metrics: {} }, false);
  await first.saveNow({ epoch: 0, step: 5, metrics: {} });
  await first.saveNow({ epoch: 0, step: 7, metrics: {} });
  assert.equal(calls.splice(0), ['save /c/epoch=0-step=5', 'save /c/epoch=0-step=7']);
  const second = new CheckpointKeeper(
    { everyNTrainSteps: 5 },
    { ...CONTEXT, resumedFrom: '/c/epoch=0-step=7' },
    callbacks,
  );
  assert.ok(await second.restore(first.state, async () => false));
  await second.afterStep({ epoch: 0, step: 10, metrics: {} }, false);
  assert.equal(calls.splice(0), ['save /c/epoch=0-step=10', 'remove /c/epoch=0-step=5']);
  const elsewhere = new CheckpointKeeper({}, { ...CONTEXT, folder: '/d' }, callbacks);
  assert.not(await elsewhere.restore(second.state, async () => false));
  assert.equal(elsewhere.checkpoints, []);
});

test('what was kept for one metric stays, uncounted, when a resumed run watches another', async () => {
  const { callbacks, calls } = recorder();
  const warnings: string[] = [];
  const watch = (options: ModelCheckpointOptions) =>
    new CheckpointKeeper(options, CONTEXT, { ...callbacks, warn: (message) => warnings.push(message) });
  const first = watch({ monitor: 'val', saveTopK: 2, saveLast: true });
  for (const [epoch, val] of [0.1, 0.2, 0.3].entries()) {
    await first.afterEpoch({ epoch, step: 5 * (epoch + 1), metrics: { val, other: 1 } });
  }
  const state = JSON.parse(JSON.stringify(first.state)) as typeof first.state;
  assert.equal(first.checkpoints, ['/c/epoch=0-step=5', '/c/epoch=1-step=10']);
  calls.length = 0;
  // 0.9 and 0.8 of the other metric are worse than all before, but the best of their own
  const second = watch({ monitor: 'other', saveTopK: 2, saveLast: true });
  assert.ok(await second.restore(state, async () => false));
  for (const [i, other] of [0.9, 0.8, 0.7].entries()) {
    await second.afterEpoch({ epoch: 3 + i, step: 20 + 5 * i, metrics: { val: 1, other } });
  }
  assert.equal(second.checkpoints, ['/c/epoch=5-step=30', '/c/epoch=4-step=25']);
  const removed = calls.filter((call) => call.startsWith('remove'));
  assert.equal(removed, ['remove /c/epoch=3-step=20']);
  assert.equal(warnings.splice(0), [
    'ModelCheckpoint: monitor was "val" (min) and is now "other" (min): the checkpoints kept so far stay and no longer count',
  ]);
  // the other direction of the same metric is another order too; the same order is none
  await watch({ monitor: 'val', mode: 'max' }).restore(state, async () => false);
  assert.match(warnings.splice(0).join(), /^ModelCheckpoint: monitor was "val" \(min\) and is now "val" \(max\): /);
  const same = watch({ monitor: 'val', saveTopK: 1 });
  await same.restore(state, async () => false);
  assert.equal(warnings, []);
  assert.equal(same.checkpoints, first.checkpoints);
});

test('names as Lightning formats them, but without folders', () => {
  // the values of scripts/references/train.py, which made the file
  const values = {
    ...{ epoch: 2, step: 1234, loss: 0.123456, 'a/nDCG@10': 0.7156, tiny: 1.5e-7, tenth: 0.1, thousand: 1000 },
    ...{ minus: -2.3, nan: Number.NaN, infinite: Number.NEGATIVE_INFINITY },
  };
  const golden = JSON.parse(readFileSync(new URL('golden/checkpoint-names.json', import.meta.url), 'utf8')) as {
    template: string | null;
    insert: boolean;
    name: string;
  }[];
  assert.ok(golden.length >= 12);
  for (const { template, insert, name } of golden) {
    assert.is(formatCheckpointName(template, values, insert), name.replaceAll('/', '_'));
  }
  assert.is(formatCheckpointName('../{b\n}', { 'b\n': 1 }), '.._b_=1');
});

test('bad arguments are named', () => {
  const bad: [ModelCheckpointOptions, RegExp][] = [
    [{ saveTopK: -2 }, /^options\.saveTopK: /],
    [{ saveTopK: 2 }, /^options\.saveTopK: without monitor nothing says which 2/],
    [{ mode: 'best' as 'min' }, /^options\.mode: expected one of min, max, received the text "best"/],
    [{ everyNTrainSteps: 1.5 }, /^options\.everyNTrainSteps: /],
    [{ everyNTrainSteps: 5, everyNEpochs: 1 }, /^options\.everyNEpochs: and everyNTrainSteps exclude each other/],
    [{ filename: '{loss:.2q}' }, /^options\.filename: expected a number format .* received ".2q"/],
    [{ filename: '{}' }, /^options\.filename: /],
    [{ filename: '..' }, /^options\.filename: expected a name for a folder/],
  ];
  for (const [options, message] of bad) {
    assert.throws(
      () => new CheckpointKeeper(options, CONTEXT, recorder().callbacks),
      (error: unknown) => error instanceof RankDistillmError && message.test(error.message),
    );
  }
});

test('a metric that never comes is named beside those there are', async () => {
  const run = simulate({ ...BASE, checkpoint: { monitor: 'vall' } });
  await run.then(
    () => assert.unreachable(),
    (error: RankDistillmError) => {
      assert.is(
        error.message,
        'ModelCheckpoint: monitor "vall" is not logged; logged are "loss", "val", "epoch", "step"',
      );
      assert.is(error.hint, 'The nearest known metric is "val".');
    },
  );
  const early = await simulate({ ...BASE, limits: { maxSteps: 4 }, checkpoint: { monitor: 'val' } });
  assert.equal(early.warnings, [
    'ModelCheckpoint: "val" is not logged yet at step 4: no checkpoint is kept for that step',
  ]);
});

test.run();
