import { PassThrough } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createTrainingProgress, type StepFigures } from '../../src/report/training-progress.js';
import { formatTrainingSummary, type TrainingSummary } from '../../src/report/training-summary.js';

const test = suite('training progress');

function captured(isTTY: boolean): { stream: PassThrough & { isTTY: boolean }; text: () => string } {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 200 });
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { stream, text: () => text };
}

const figures = (step: number, changes: Partial<StepFigures> = {}): StepFigures => ({
  ...{ step, epoch: 0, loss: 0.5, learningRate: 1e-5, pairs: 40, tokens: 4000, seconds: 10, waitShare: 0 },
  ...changes,
});

test('without a terminal: a line every half a minute, notes at once, and the last state', () => {
  const { stream, text } = captured(false);
  let clock = 5_000;
  const progress = createTrainingProgress({ totalSteps: 10, startStep: 2, stream, now: () => clock });
  for (let step = 3; step <= 7; step++) {
    clock += 10_000;
    progress.step(figures(step, { loss: 1 / step }));
    if (step === 4) progress.note('dev.run/nDCG@10 0.5000');
  }
  progress.stop();
  progress.stop();
  assert.equal(text().split('\n'), [
    'dev.run/nDCG@10 0.5000',
    'step 5/10, epoch 0: loss 0.2000, lr 1e-5, 4.0 pairs/s, 400 tokens/s, 0% waiting, 50s left',
    'step 7/10, epoch 0: loss 0.1429, lr 1e-5, 4.0 pairs/s, 400 tokens/s, 0% waiting, 30s left',
    '',
  ]);
});

test('rates are of the last half a minute, time left of the whole run', () => {
  const { stream, text } = captured(false);
  let clock = 0;
  const progress = createTrainingProgress({ totalSteps: 100, stream, now: () => clock });
  clock = 100_000;
  progress.step(figures(1, { seconds: 100, pairs: 100_000 }));
  clock = 120_000;
  progress.step(figures(2, { seconds: 20, waitShare: 0.5, pairs: 200 }));
  progress.step(figures(3, { seconds: 20, waitShare: 0.25, pairs: 8000, tokens: 80_000, epoch: 1 }));
  progress.stop();
  const [, last] = text().split('\n');
  assert.is(last, 'step 3/100, epoch 1: loss 0.5000, lr 1e-5, 205 pairs/s, 2100 tokens/s, 38% waiting, 1h04m left');
});

test('a run that time ends: the time that is left of it', () => {
  const { stream, text } = captured(false);
  let clock = 0;
  const progress = createTrainingProgress({ totalSteps: undefined, maxSeconds: 60, stream, now: () => clock });
  clock = 45_000;
  progress.step(figures(1));
  progress.stop();
  assert.match(text(), /^step 1, epoch 0: .* 15s left\n$/);
});

test('on a terminal: a bar, with notes above it', () => {
  const { stream, text } = captured(true);
  const progress = createTrainingProgress({ totalSteps: 8, stream });
  progress.step(figures(2));
  progress.note('dev.run/nDCG@10 0.5000');
  progress.step(figures(6, { waitShare: 0.1 }));
  progress.stop();
  assert.ok(text().includes('\r\u001b[Kdev.run/nDCG@10 0.5000\n'));
  assert.match(
    text(),
    /epoch 0 █{15}░{5} 75% \| 6\/8 steps \| loss 0\.5000 \| lr 1e-5 \| 4\.0 pairs\/s \| 400 tokens\/s \| 5% waiting \| .* left/,
  );
});

const SUMMARY: TrainingSummary = {
  model: 'google/electra-base-discriminator',
  modelClass: 'MonoElectraModel',
  seed: 42,
  parameters: 108_892_417,
  precision: 'bfloat16',
  device: 'cpu',
  threads: 16,
  tokenBudget: 8192,
  dataset: 'teacher.run',
  samples: 1234,
  docsPerSample: 100,
  batchSize: 32,
  batchesPerEpoch: 39,
  totalSteps: 78,
  startStep: 0,
};

test('the summary says what is going to happen', () => {
  assert.equal(
    formatTrainingSummary(SUMMARY, { decorated: false })
      .split('\n')
      .map((line) => line.trimEnd()),
    [
      'training',
      'model        google/electra-base-discriminator (MonoElectraModel)',
      'parameters   108.9 million',
      'computes in  bfloat16, 16 threads',
      'data         teacher.run: 1,234 samples of 100 documents',
      'batch        32 samples, 3,200 pairs',
      'at a time    8,192 tokens',
      'epoch        39 batches',
      'steps        78 (2 epochs)',
      'time         known after the first steps',
    ],
  );
});

test('steps and time of runs that go on, accumulate or end with time', () => {
  const lines: [Partial<TrainingSummary>, string, string][] = [
    [{ startStep: 28, secondsPerStep: 60 }, '78 (2 epochs), from 28 on', 'about 50m00s'],
    [{ totalSteps: 50, accumulateGradBatches: 4 }, '50 (5 epochs)', 'known after the first steps'],
    [{ totalSteps: 50 }, '50 (1.3 epochs)', 'known after the first steps'],
    [{ totalSteps: undefined, maxSeconds: 3600 }, 'as many as the time allows', 'at most 1h00m'],
    [{ secondsPerStep: 60, maxSeconds: 3600 }, '78 (2 epochs)', 'at most 1h00m'],
    [{ secondsPerStep: 30, maxSeconds: 3600 }, '78 (2 epochs)', 'about 39m00s'],
  ];
  for (const [changes, steps, time] of lines) {
    const shown = formatTrainingSummary({ ...SUMMARY, ...changes }, { decorated: false }).split('\n');
    assert.equal(shown.slice(-2), [`steps        ${steps}`, `time         ${time}`]);
  }
});

test.run();
