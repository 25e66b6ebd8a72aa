import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { trainingPeerPrecision } from '../../scripts/bench/train.js';

const test = suite('bench of training');
const bench = fileURLToPath(new URL('../../scripts/bench/run.ts', import.meta.url));

function complaint(...args: string[]): string {
  const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', bench, 'train', ...args], {
    encoding: 'utf8',
  });
  assert.is(status, 1);
  return stderr;
}

test('the peer gets the precision that ours computed in', () => {
  assert.is(trainingPeerPrecision('bfloat16'), 'bf16-mixed');
  assert.is(trainingPeerPrecision('float32'), '32-true');
});

test('sizes are counts, and no more pairs than there are', () => {
  assert.match(
    complaint('--queries', '1.5'),
    /^\nerror: --queries: expected a whole number above 0, received "1\.5"\n$/,
  );
  assert.match(complaint('--docs', '0'), /^\nerror: --docs: expected a whole number above 0/);
  assert.match(
    complaint('--queries', '55', '--docs', '100'),
    /^\nerror: --queries 55 --docs 100: there are 5400 pairs to train on, not 5500\n$/,
  );
});

test.run();
