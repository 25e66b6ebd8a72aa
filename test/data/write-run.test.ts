import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { float32Text } from '../../src/data/formats/columns.js';
import { readRun } from '../../src/data/run-file.js';
import { writeRun, writeRunTopics } from '../../src/data/write-run.js';
import { golden } from '../support/data.js';
import { refuses } from '../support/errors.js';
import { temporaryFiles } from '../support/files.js';

const test = suite('writing runs');
const { folder } = temporaryFiles();
const { written } = JSON.parse(readFileSync(golden('lightning-ir.json'), 'utf8')) as {
  written: { scores: number[]; tag: string; text: string };
};

test("byte for byte what lightning-ir's ReRankCallback writes: order, ties, ranks, digits", async () => {
  const path = join(folder, 'new', 'folder', 'written.run');
  assert.is(written.scores.length, 72);
  await writeRun(
    path,
    written.scores.map((score, i) => ({ queryId: 'q1', docId: `d${i}`, score })),
    { tag: written.tag },
  );
  assert.is(readFileSync(path, 'utf8'), written.text);
});

test('every float32 is read back as itself', () => {
  const bits = new Uint32Array(1);
  const view = new Float32Array(bits.buffer);
  let state = 12345;
  for (let i = 0; i < 200_000; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bits[0] = state;
    const value = view[0]!;
    if (Number.isFinite(value)) assert.is(Math.fround(Number(float32Text(value))), value);
  }
  assert.is(float32Text(0.1), '0.1');
  assert.is(float32Text(-0), '-0.0');
});

test('topics stay in the order given and can be read again', async () => {
  const path = join(folder, 'topics.run');
  await writeRunTopics(path, {}, async (writeTopic) => {
    await writeTopic('9', [
      { docId: 'a', score: 1 },
      { docId: 'b', score: 2 },
    ]);
    assert.not.ok(existsSync(path), 'the file appears when it is complete');
    await writeTopic('10', [{ docId: 'b', score: -1 }]);
    await writeTopic('11', []);
  });
  assert.is(
    readFileSync(path, 'utf8'),
    '9\t0\tb\t1\t2.0\trank-distillm\n9\t0\ta\t2\t1.0\trank-distillm\n10\t0\tb\t1\t-1.0\trank-distillm\n',
  );
  assert.equal(
    (await readRun(path)).map((entry) => [entry.queryId, entry.docId, entry.rank]),
    [
      ['9', 'b', 1],
      ['9', 'a', 2],
      ['10', 'b', 1],
    ],
  );
});

test('what cannot be written leaves no file and an old one as it was', async () => {
  const path = join(folder, 'kept.run');
  await writeRun(path, [{ queryId: 'q', docId: 'd', score: 1 }]);
  const before = readFileSync(path, 'utf8');
  const files = readdirSync(folder);
  const entry = { queryId: 'q', docId: 'd', score: 1 };
  await refuses(
    () => writeRun(path, [entry, { ...entry, docId: 'e', score: NaN }]),
    'bad_input',
    'kept.run',
    "'e'",
    'NaN',
  );
  await refuses(() => writeRun(path, [{ ...entry, score: 1e300 }]), 'bad_input', '1e+300');
  await refuses(() => writeRun(path, [{ ...entry, docId: 'two words' }]), 'bad_input', "'two words'");
  await refuses(() => writeRun(path, [{ ...entry, queryId: '' }]), 'bad_input', 'query id');
  await refuses(() => writeRun(path, [entry, entry]), 'bad_input', "'d'", 'twice');
  await refuses(() => writeRun(path, [entry], { tag: 'a tag' }), 'bad_input', "'a tag'");
  const twice = writeRunTopics(path, {}, async (writeTopic) => {
    await writeTopic('q', [entry]);
    await writeTopic('q', [entry]);
  });
  await refuses(() => twice, 'bad_input', "'q'", 'twice');
  await refuses(() => writeRun(join(path, 'below-a-file.run'), [entry]), 'io', 'kept.run');
  assert.is(readFileSync(path, 'utf8'), before);
  assert.equal(readdirSync(folder), files);
});

test.run();
