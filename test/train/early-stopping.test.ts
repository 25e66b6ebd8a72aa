import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import { EarlyStopper, type EarlyStoppingOptions, type StoppingState } from '../../src/train/early-stopping.js';

// What stops a run, and when, is compared with Lightning in trainer-runs.test.ts.
const test = suite('early stopping');
const CONTEXT = { validatesAtEpochEnd: false, validates: true };

test('reasons name the metric and what it was held against', () => {
  const reasons: [Partial<EarlyStoppingOptions>, number[], string][] = [
    [{ patience: 2 }, [0.5, 0.5, 0.6], 'val did not improve on 0.5 in 2 validations'],
    [{ stoppingThreshold: 0.2 }, [0.1], 'val is 0.1, which is better than stoppingThreshold 0.2'],
    [{ mode: 'max', divergenceThreshold: 0.2 }, [0.1], 'val is 0.1, which is worse than divergenceThreshold 0.2'],
    [{}, [0.5, Number.NaN], 'val is NaN; the best was 0.5'],
  ];
  for (const [options, values, reason] of reasons) {
    const stopper = new EarlyStopper({ monitor: 'val', ...options }, CONTEXT);
    assert.equal(
      values.map((val) => stopper.afterValidation({ val })),
      [...values.slice(1).map(() => undefined), reason],
    );
    assert.is(stopper.reason, reason);
  }
});

test('a stopper that goes on from its state stops where the undisturbed one does', () => {
  const values = [0.5, 0.4, 0.45, 0.41, 0.39, 0.6, 0.5, 0.42];
  const make = (): EarlyStopper => new EarlyStopper({ monitor: 'val', patience: 3 }, CONTEXT);
  let stopper = make();
  const verdicts = values.map((val) => {
    const verdict = stopper.afterValidation({ val });
    const state = JSON.parse(JSON.stringify(stopper.state)) as StoppingState;
    stopper = make();
    stopper.restore(state);
    return verdict !== undefined;
  });
  assert.equal(verdicts, [false, false, false, false, false, false, false, true]);
  assert.match(stopper.reason ?? '', /^val did not improve on 0.39 in 3/);
});

test('a stopper that watches another metric than its state begins anew', () => {
  const before = new EarlyStopper({ monitor: 'val', patience: 1 }, CONTEXT);
  before.afterValidation({ val: 0.1 });
  before.afterValidation({ val: 0.2 });
  assert.match(before.reason ?? '', /^val did not improve/);
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const after = new EarlyStopper({ monitor: 'other', patience: 1 }, { ...CONTEXT, warn });
  after.restore(JSON.parse(JSON.stringify(before.state)) as StoppingState);
  assert.is(after.reason, undefined);
  assert.is(after.afterValidation({ other: 0.5 }), undefined);
  assert.match(after.afterValidation({ other: 0.6 }) ?? '', /^other did not improve on 0.5 in 1/);
  assert.equal(warnings, ['EarlyStopping: monitor was "val" (min) and is now "other" (min): it begins anew']);
});

test('a metric that never comes is named, one that may still come is waited for', () => {
  const stopper = new EarlyStopper({ monitor: 'my-set/nDCG@1' }, { validatesAtEpochEnd: true, validates: true });
  const metrics = { loss: 1, 'my-set/nDCG@10': 0.5 };
  assert.is(stopper.afterEpoch({ loss: 1 }), undefined);
  stopper.afterValidation(metrics);
  assert.throws(
    () => stopper.afterEpoch(metrics),
    (error: unknown) =>
      error instanceof RankDistillmError &&
      error.message === 'EarlyStopping: monitor "my-set/nDCG@1" is not logged; logged are "loss", "my-set/nDCG@10"' &&
      error.hint === 'The nearest known metric is "my-set/nDCG@10".',
  );
});

test('bad arguments are named', () => {
  const bad: [Partial<EarlyStoppingOptions>, RegExp][] = [
    [{ mode: 'up' as 'min' }, /^options\.mode: expected one of min, max, received the text "up"/],
    [{ patience: -1 }, /^options\.patience: expected a whole number of at least 0/],
  ];
  for (const [options, message] of bad) {
    assert.throws(
      () => new EarlyStopper({ monitor: 'val', ...options }, CONTEXT),
      (error: unknown) => error instanceof RankDistillmError && message.test(error.message),
    );
  }
});

test.run();
