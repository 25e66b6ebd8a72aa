import { PassThrough } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatDuration } from '../../src/report/figures.js';
import { createProgress } from '../../src/report/progress.js';

const test = suite('progress');

function captured(isTTY: boolean): { stream: PassThrough & { isTTY: boolean }; text: () => string } {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 200 });
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { stream, text: () => text };
}

test('without a terminal: a line every five seconds and one at the end', () => {
  const { stream, text } = captured(false);
  let clock = 1_000;
  const progress = createProgress({ label: 'bm25', total: 1000, unit: 'pairs', stream, now: () => clock });
  for (let second = 1; second <= 8; second++) {
    clock += 1_000;
    progress.update(second * 100);
  }
  progress.stop();
  assert.is(text(), 'bm25: 500/1000 pairs, 100 pairs/s, 5s left\nbm25: 800/1000 pairs, 100 pairs/s, 2s left\n');
});

test('what was done before does not count for the rate', () => {
  for (const isTTY of [false, true]) {
    const { stream, text } = captured(isTTY);
    let clock = 0;
    const options = { label: 'x', total: 1000, from: 900, unit: 'pairs', stream, now: () => clock };
    const progress = createProgress(options);
    clock = 5_000;
    progress.update(950);
    progress.stop();
    assert.match(
      text(),
      isTTY ? /950\/1000 pairs \| 10\.0 pairs\/s \| 5s left/ : /950\/1000 pairs, 10\.0 pairs\/s, 5s left/,
    );
  }
});

test('the last state is not printed twice', () => {
  const { stream, text } = captured(false);
  let clock = 0;
  const progress = createProgress({ label: 'x', total: 10, unit: 'pairs', stream, now: () => clock });
  clock = 20_000;
  progress.update(10);
  progress.stop();
  assert.is(text(), 'x: 10/10 pairs, 0.5 pairs/s, 0s left\n');
});

test('nothing done yet: the time left is unknown', () => {
  const { stream, text } = captured(false);
  createProgress({ label: 'x', total: 10, unit: 'pairs', stream, now: () => 0 }).stop();
  assert.is(text(), 'x: 0/10 pairs, 0.0 pairs/s, ? left\n');
});

test('on a terminal: a bar that ends with what was done', () => {
  const { stream, text } = captured(true);
  const progress = createProgress({ label: 'bm25', total: 200, unit: 'pairs', stream });
  progress.update(150);
  progress.stop();
  assert.match(text(), /bm25 .*75% \| 150\/200 pairs \| .* pairs\/s \| .* left/);
});

test('durations', () => {
  const shown: [number, string][] = [
    [0, '0s'],
    [59.4, '59s'],
    [59.6, '1m00s'],
    [245, '4m05s'],
    [7380, '2h03m'],
    [Number.POSITIVE_INFINITY, '?'],
  ];
  for (const [seconds, text] of shown) assert.is(formatDuration(seconds), text);
});

test.run();
