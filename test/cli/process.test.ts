import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeCollection } from '../support/collections.js';
import { inFolder, writeFiles } from '../support/files.js';
import { expectedPairs, modelFolder } from '../support/models.js';
import { inShell, PROGRAM, start, type Ended } from '../support/programs.js';

const test = suite('the program');

test('scores a pipe', () =>
  inFolder(async (folder) => {
    const pairs = await expectedPairs();
    const stdin = pairs.map(({ query, document }) => `${JSON.stringify({ query, document })}\n`).join('');
    const { code, stdout, stderr } = await start(['score', '--model', modelFolder(), '--input', '-'], folder, {
      stdin,
    });
    assert.is(code, 0, stderr);
    assert.is(stdout.trimEnd().split('\n').length, pairs.length);
  }));

test('qrels and pairs come through pipes; a run that does is refused', () =>
  inFolder(async (folder) => {
    const pairs = await writeCollection(folder);
    const lines = pairs.map(({ query, document }) => `${JSON.stringify({ query, document })}\n`);
    await writeFiles(folder, { 'pairs.jsonl': lines.join('') });
    const shell = (command: string): string => {
      const program = `rd() { ${inShell([])} "$@"; }; ${command}`;
      const { stdout, stderr } = spawnSync('bash', ['-c', program], { cwd: folder, encoding: 'utf8' });
      return stdout + stderr;
    };
    const run = 'data/__bm25__tiny-set.run';
    const expected = shell(`rd evaluate --json --qrels data/test.qrels --run ${run}`);
    assert.match(expected, /"nDCG@10": 0\.\d+/);
    assert.is(shell(`rd evaluate --json --qrels <(gzip -c data/test.qrels) --run ${run}`), expected);
    assert.is(shell(`cat data/test.qrels | rd evaluate --json --qrels /dev/stdin --run ${run}`), expected);
    const scored = shell(`rd score --model ${modelFolder()} --input <(cat pairs.jsonl)`);
    assert.is(scored.match(/"score":/g)?.length, pairs.length, scored);
    assert.match(
      shell(`rd evaluate --qrels data/test.qrels --run <(cat ${run})`),
      /^error: \/dev\/fd\/\d+: is a pipe or a device, but must be read more than once\nhint: .*to a file/,
    );
    const config = `rd re_rank --config config.yaml --data.inference_datasets.dataset tiny-set`;
    assert.match(
      shell(`${config} --data.inference_datasets.run_path_or_id <(cat ${run})`),
      /^error: \/dev\/fd\/\d+: is a pipe or a device/,
    );
  }));

test('bad input exits with 2 and prints no stack', () =>
  inFolder(async (folder) => {
    const { code, stdout, stderr } = await start(['re_rank', '--config', 'nowhere.yaml'], folder);
    assert.is(code, 2);
    assert.is(stdout, '');
    assert.match(stderr, /^error: nowhere\.yaml: no such file or folder\nhint: .+\n$/);
  }));

test('RANK_DISTILLM_DEBUG adds the stack', () =>
  inFolder(async (folder) => {
    const env = { RANK_DISTILLM_DEBUG: '1' };
    const { code, stderr } = await start(['re_rank', '--config', 'nowhere.yaml'], folder, { env });
    assert.is(code, 2);
    assert.match(stderr, /\n +at .*readYaml/);
  }));

test('Ctrl-C ends a run with 130 and leaves no half file', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const lines = Array.from({ length: 200_000 }, (_, i) => `q${i % 2} Q0 d${i} 1 1 x\n`);
    const docs = Array.from({ length: 200_000 }, (_, i) => `d${i}\tSodrari limeu limlim ${i}\n`);
    await writeFiles(folder, { 'data/__bm25__tiny-set.run': lines.join(''), 'data/docs.tsv': docs.join('') });
    const runs = join(folder, 'mono-rank/runs');
    const { code, stderr } = await start(['re_rank', '--config', 'config.yaml'], folder, {
      act(kill) {
        const timer = setInterval(() => {
          void readdir(runs).then(
            (names) => {
              if (names.length === 0) return;
              clearInterval(timer);
              kill('SIGINT');
            },
            () => undefined,
          );
        }, 5);
      },
    });
    assert.is(code, 130, stderr);
    assert.match(stderr, /interrupting; press Ctrl-C again/);
    assert.match(stderr, /interrupted\n$/);
    assert.not(existsSync(runs), 'an empty folder goes as well');
  }));

for (const stdin of ['ends', 'goes on']) {
  test(`a reader that closes the pipe is no failure, when standard input ${stdin}`, () =>
    inFolder(async (folder) => {
      const { code, stderr } = await new Promise<Ended>((resolve, reject) => {
        const [program, ...before] = PROGRAM;
        const argv = [...before, 'score', '--model', modelFolder(), '--input', '-'];
        const child = spawn(program!, argv, { cwd: folder });
        child.stdin.on('error', () => undefined); // what is not read any more
        child.stdin.write('{"query": "a", "document": "b"}\n'.repeat(20_000));
        if (stdin === 'ends') child.stdin.end();
        let text = '';
        child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
        child.stdout.once('data', () => child.stdout.destroy());
        child.on('error', reject);
        child.on('close', (status) => resolve({ code: status, stdout: '', stderr: text }));
      });
      assert.is(code, 0, stderr);
      assert.is(stderr, '');
    }));
}

for (const argv of [['--help'], ['evaluate', '--qrels', 'qrels', '--run', 'run'], ['score', '--input', 'pairs']]) {
  test(`${argv[0]}: standard output that cannot be written is one error`, () =>
    inFolder(async (folder) => {
      await writeFiles(folder, {
        qrels: 'q 0 d 1\n',
        run: 'q Q0 d 1 1.0 x\n',
        pairs: '{"query": "a", "document": "b"}\n',
      });
      const model = argv[0] === 'score' ? ['--model', modelFolder()] : [];
      const script = `${inShell([...argv, ...model])} > /dev/full`;
      const { status, stderr } = spawnSync('sh', ['-c', script], { cwd: folder, encoding: 'utf8' });
      assert.is(status, 2);
      assert.match(stderr, /^error: standard output: cannot write: no space left on the device\nhint: .+\n$/);
    }));
}

test.run();
