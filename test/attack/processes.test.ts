import * as assert from 'uvu/assert';
import { attack } from '../../scripts/attack/attack.js';
import { shortForms } from './short-form.js';

const PLANTED = new URL('planted.ts', import.meta.url).href;

const test = shortForms('processes');

test('a wrong result, a raw error, a death, a hang and swallowed memory are each told, and the tries go on', async () => {
  const { outcomes, failures } = await attack(PLANTED, { seed: 1, tries: 'short' });
  assert.equal(outcomes, { worked: 1, refused: 1, wrong: 1, 'raw error': 1, died: 1, hung: 1, memory: 1 });
  const broken = failures.sort((a, b) => a.index - b.index).map(({ index, outcome }) => `${index} ${outcome}`);
  assert.equal(broken, ['2 wrong', '3 raw error', '4 died', '5 hung', '6 memory']);
});

test('so they are where a child runs several at a time, and also what breaks only then', async () => {
  const options = { seed: 1, tries: 'short', children: 1 } as const;
  const { tries, outcomes, failures } = await attack(`${PLANTED}#together`, options);
  assert.is(tries, 10);
  assert.equal(outcomes, { worked: 4, refused: 1, wrong: 1, 'raw error': 1, died: 2, hung: 1, memory: 1 });
  const broken = failures.map(({ index, outcome }) => `${index} ${outcome}`);
  assert.equal(broken, ['2 wrong', '3 raw error', '4 died', '5 hung', '6 memory', '9 died']);
});

test('work that belongs into a process of its own may break a group, but not hold too much memory there', async () => {
  const { outcomes, failures, again, peaks } = await attack(`${PLANTED}#apart`, {
    seed: 1,
    tries: 'short',
    children: 1,
  });
  assert.equal(outcomes, { worked: 5, refused: 0, wrong: 0, 'raw error': 0, died: 0, hung: 0, memory: 1 });
  assert.equal(
    failures.map(({ index, outcome }) => `${index} ${outcome}`),
    ['5 memory'],
  );
  assert.is(again, 6);
  assert.ok(peaks.together > 700 && peaks.alone < 600 && peaks.apart > 400, JSON.stringify(peaks));
});

test.run();
