import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import type { BatchLimit } from '../../src/config/schema/batch-limit.js';
import { simulate, type Simulation } from '../support/simulate.js';

/** Made by scripts/references/train.py, whose head explains the words of a trace. */
interface Run {
  trainer: Record<string, number | null>;
  val?: number[];
  checkpoint?: Record<string, string | number | boolean>;
  early_stopping?: Record<string, string | number | boolean>;
  values?: (number | null)[];
  total_steps?: number;
  trace: string;
}

const GOLDEN = new URL('golden/trainer-runs.json', import.meta.url);
const text = readFileSync(GOLDEN, 'utf8');
const runs = JSON.parse(text) as Run[];
const VALUES = [0.5, 0.4, 0.45, 0.4, 0.3, 0.6, 0.35, 0.2, 0.25, 0.7];
const SHARES = ['limit_train_batches', 'limit_val_batches', 'val_check_interval'];

const camel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

function camelKeys(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [camel(name), value]));
}

/** Python writes 1.0 with its dot, which JSON.parse does not keep. */
function batchLimit(value: number, key: string, run: string): BatchLimit {
  return !Number.isInteger(value) || run.includes(`"${key}": 1.0`) ? { share: value } : { batches: value };
}

function simulation(run: Run, line: string): Simulation {
  const limits = Object.entries(run.trainer).map(([key, value]) => [
    camel(key),
    SHARES.includes(key) && value !== null ? batchLimit(value, key, line) : value,
  ]);
  const { checkpoint, early_stopping: stopping } = run;
  return {
    limits: Object.fromEntries(limits) as Simulation['limits'],
    validationBatches: run.val ?? [],
    values: run.values?.map((value) => value ?? Number.NaN) ?? VALUES,
    checkpoint: checkpoint && camelKeys(checkpoint),
    stopping: stopping && (camelKeys(stopping) as unknown as Simulation['stopping']),
  };
}

/** Between two words of the loop, the order of saving, removing and linking is each one's own business. */
function inOrder(words: readonly string[]): string {
  const parts: string[][] = [[]];
  for (const word of words) {
    if (/^[+-]|^last=|^stop/.test(word)) parts.at(-1)?.push(word);
    else parts.push([word]);
  }
  return parts
    .map(([head = '', ...rest]) => [head, ...rest.sort()].join(' '))
    .join(' ')
    .trim();
}

const test = suite('trainer runs');
const lines = text.split('\n').filter((line) => line.startsWith('{'));

runs.forEach((run, i) => {
  const { trace, total_steps, ...arguments_ } = run;
  test(`as Lightning: ${JSON.stringify(arguments_)}`, async () => {
    let error: unknown;
    const result = await simulate(simulation(run, lines[i] ?? '')).catch((thrown: unknown) => {
      error = thrown;
      return undefined;
    });
    if (trace.endsWith('error')) {
      assert.ok(error instanceof RankDistillmError, `no error, but ${result?.trace.join(' ')}`);
      return;
    }
    if (error !== undefined) throw error as Error;
    assert.is(inOrder(result?.trace ?? []), inOrder(trace.split(' ')));
    if (total_steps !== undefined && total_steps > 0 && run.trainer['max_epochs'] !== 0) {
      assert.is(result?.plan.totalSteps, total_steps);
    }
  });
});

test('every kind of run is there', () => {
  assert.is(lines.length, runs.length);
  assert.ok(runs.filter((run) => run.checkpoint).length >= 25);
  assert.ok(runs.filter((run) => run.early_stopping).length >= 12);
});

test.run();
