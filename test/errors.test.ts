import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError, warner } from '../src/errors.js';

const test = suite('messages');

const messageOf = (text: string): string => new RankDistillmError('bad_input', text).message;

test('what a file can hold does not move the cursor, break the line or reorder the text', () => {
  const { message, hint } = new RankDistillmError('bad_input', 'a\u001b[2Jb\r\nc\td\u0000\u009b', {
    hint: 'x\u202ey\u2028',
  });
  assert.is(message, 'a\ufffd[2Jb\\r\\nc\\td\ufffd\ufffd');
  assert.is(hint, 'x\ufffdy\ufffd');
  assert.is(messageOf('größe 漢字 🙂'), 'größe 漢字 🙂');
});

test('a long message keeps its beginning and its end', () => {
  const message = messageOf(`file.run:17: ${'x'.repeat(1_000_000)}: expected a number`);
  assert.ok(message.length < 2100, String(message.length));
  assert.match(message, /^file\.run:17: x+ \[… 998\d\d\d characters …\] x+: expected a number$/);
});

test('a character of two code units is not cut in half', () => {
  for (const shift of ['', 'a']) {
    const message = messageOf(shift + '🙂'.repeat(5000));
    assert.is(Buffer.from(message).toString(), message);
  }
});

test('warnings are readable, too', () => {
  const received: string[] = [];
  warner((message) => received.push(message))('a\nb');
  assert.equal(received, ['a\\nb']);
});

test.run();
