import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRun } from '../../src/data/run-file.js';
import { run } from '../support/cli.js';
import { inFolder, writeFiles } from '../support/files.js';

const test = suite('subsample');

const TOPICS = Array.from({ length: 20 }, (_, i) => `q${i}`);
const runOf = (order: readonly number[]) =>
  TOPICS.map((topic) => order.map((doc, i) => `${topic} Q0 d${doc} ${i + 1} ${10 - i} x\n`).join('')).join('');
const FILES = { 'llm.run': runOf([3, 0, 4, 1, 2]), 'first.run': runOf([0, 1, 2, 3, 4]) };

test("topics are nested, documents are those above the depth of the first stage, in the run's order", () =>
  inFolder(async (folder) => {
    await writeFiles(folder, FILES);
    const argv = 'subsample --run llm.run --first-stage first.run --save-dir parts --queries 5 12 --depths 2 4'.split(
      ' ',
    );
    const { code, stderr, stdout } = await run(argv, { cwd: folder });
    assert.is(code, 0, stderr);
    assert.match(stdout, /^parts\/llm\.depth-2\.sampled-5\.run +5 +10$/m);
    const part = (name: string) => readRun(join(folder, 'parts', `llm.${name}.run`));
    const topicsOf = async (name: string) => [...new Set((await part(name)).map(({ queryId }) => queryId))];
    const [five, twelve] = [await topicsOf('depth-4.sampled-5'), await topicsOf('depth-2.sampled-12')];
    assert.is(five.length, 5);
    assert.is(twelve.length, 12);
    assert.ok(five.every((topic) => twelve.includes(topic)));
    const ofTopic = (await part('depth-4.sampled-5')).filter(({ queryId }) => queryId === five[0]);
    assert.equal(
      ofTopic.map(({ docId, score }) => [docId, score]),
      [
        ['d3', 10],
        ['d0', 9],
        ['d1', 7],
        ['d2', 6],
      ],
    );
    const overlay = await readFile(join(folder, 'parts/llm.depth-4.sampled-5.yaml'), 'utf8');
    assert.match(overlay, /run_path_or_id: "parts\/llm\.depth-4\.sampled-5\.run"/);
  }));

test('mistakes get one error, and nothing is overwritten', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, { ...FILES, 'other.run': 'q0 Q0 d1 1 1 x\n', 'parts/llm.sampled-3.run': 'kept' });
    const cases: [string, RegExp][] = [
      ['--queries 21', /llm\.run: has 20 topics, 21 cannot be chosen/],
      ['--queries 0', /whole numbers of at least 1/],
      ['--queries x', /Expected a whole number/],
      ['', /neither queries nor depths are given/],
      ['--depths 2 --first-stage other.run', /other\.run: has no topic 'q1', which llm\.run has/],
      ['--queries 3', /parts\/llm\.sampled-3\.run: exists already/],
    ];
    for (const [options, message] of cases) {
      const argv = ['subsample', '--run', 'llm.run', '--save-dir', 'parts', ...options.split(' ').filter(Boolean)];
      const { code, stderr } = await run(argv, { cwd: folder });
      assert.is(code, 2, stderr);
      assert.match(stderr, message);
    }
    assert.is(await readFile(join(folder, 'parts/llm.sampled-3.run'), 'utf8'), 'kept');
  }));

test.run();
