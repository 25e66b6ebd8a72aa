import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRun } from '../../src/data/run-file.js';

/** The demo calls the compiled program: `npm run setup` makes it. */
const test = suite('npm run demo');
const script = fileURLToPath(new URL('../../scripts/demo/run.ts', import.meta.url));

let folder: string;
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'demo-'));
});
test.after(async () => {
  await rm(folder, { recursive: true });
});

function runDemo(...args: string[]) {
  return spawnSync(process.execPath, ['--import', 'tsx', script, ...args], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
}

test('a small world and two steps: both stages are trained, the second from the first, and compared', async () => {
  const demo = runDemo(folder, '--scale', '0.05', '--steps', '2', '--seed', '5');
  assert.is(demo.status, 0, demo.stderr);
  const commands = demo.stdout.match(/^\$ npx rank-distillm .*$/gm)?.map((line) => line.split(' ')[3]);
  assert.equal(commands, ['fit', 're_rank', 'fit', 're_rank', 'report']);
  assert.match(demo.stdout, /The report is .*\/report\.html; open it/);
  assert.match(await readFile(join(folder, 'report.html'), 'utf8'), /<title>Rankings of invented-world\/test<\/title>/);
  for (const stage of ['stage-one', 'stage-two']) {
    const run = await readRun(join(folder, stage, 're-ranked', `${stage}.run`));
    const first = await readRun(join(folder, '__bm25__invented-world-test.run'));
    const pairs = (entries: typeof run) => entries.map(({ queryId, docId }) => `${queryId} ${docId}`).sort();
    assert.equal(pairs(run), pairs(first), stage);
  }
  const second = await readFile(join(folder, 'stage-two.yaml'), 'utf8');
  assert.match(second, /model_name_or_path: .*stage-one\/lightning_logs\/version_0\/huggingface_checkpoint/);
  const table = demo.stdout.slice(demo.stdout.lastIndexOf('invented-world/test')).split('\n').slice(0, 5);
  assert.equal(
    table.map((row) =>
      row
        .replace(/\d\.\d{4}/g, '#')
        .replace(/ +/g, ' ')
        .replace('-#', '+#'),
    ),
    [
      'invented-world/test nDCG@10 AP RR nDCG@10 over BM25',
      'BM25, which all others re-rank # # #',
      'stage one (InfoNCE) # # # +#',
      'stage two (RankNet) # # # +#',
      'teacher, noisy # # # +#',
    ],
  );
});

test('a mistyped number or option is told, without a stack trace', () => {
  for (const [args, said] of [
    [['--seed', 'x'], '--seed: expected a number of at least 0, received "x"'],
    [['--sed', '1'], "Unknown option '--sed'"],
  ] as const) {
    const demo = runDemo(folder, ...args);
    assert.is(demo.status, 1);
    assert.ok(demo.stderr.includes(`error: ${said}`), demo.stderr);
    assert.not.match(demo.stderr, /\n {4}at /);
  }
});

test.run();
