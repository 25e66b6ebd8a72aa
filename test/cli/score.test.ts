import { cp, link, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { assertClose, assertSameIds, expectedPairs, modelFolder } from '../support/models.js';
import { runCli } from '../../src/cli/cli.js';
import { run } from '../support/cli.js';
import { inFolder, listing, writeFiles } from '../support/files.js';
import { TOLERANCES } from '../support/tolerances.js';

const test = suite('score');

interface ScoreLine {
  score: number;
  input_ids: number[];
  token_type_ids: number[];
}

const parse = (text: string): ScoreLine[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as ScoreLine);

test('a file of pairs gets the scores and tokens of lightning-ir, in order', () =>
  inFolder(async (folder) => {
    const pairs = await expectedPairs();
    const input = pairs.map(({ query, document }, i) =>
      JSON.stringify({ query, [['document', 'doc', 'text'][i % 3] as string]: document }),
    );
    await writeFiles(folder, { 'pairs.jsonl': `${input.join('\n')}\n` });
    const argv = ['score', '--model', modelFolder(), '--input', 'pairs.jsonl', '--output', 'out/scores.jsonl'];
    const { code, stderr, stdout } = await run([...argv, '--with-tokens'], { cwd: folder });
    assert.is(code, 0, stderr);
    assert.is(stdout, '');
    const lines = parse(await readFile(join(folder, 'out/scores.jsonl'), 'utf8'));
    assertSameIds(
      lines.map((line) => ({
        inputIds: Int32Array.from(line.input_ids),
        tokenTypeIds: Uint8Array.from(line.token_type_ids),
      })),
      pairs,
    );
    assertClose(
      Float32Array.from(lines, (line) => line.score),
      pairs,
      TOLERANCES.auto.float32.score,
    );
    assert.match(stderr, new RegExp(`scored ${pairs.length} pairs .*float32`));
  }));

test('standard input to standard output, scores only', async () => {
  const pairs = await expectedPairs();
  const stdin = pairs.map(({ query, document }) => JSON.stringify({ query, document })).join('\r\n');
  const { code, stdout } = await run(['score', '--model', modelFolder(), '--input', '-'], { stdin });
  assert.is(code, 0);
  const lines = parse(stdout);
  assert.ok(lines.every((line) => Object.keys(line).join() === 'score'));
  assertClose(
    Float32Array.from(lines, (line) => line.score),
    pairs,
    TOLERANCES.auto.float32.score,
  );
});

test('a score that is no number is an error that names the pair', () =>
  inFolder(async (folder) => {
    await cp(modelFolder(), join(folder, 'model'), { recursive: true });
    const weights = join(folder, 'model/model.safetensors');
    const bytes = await readFile(weights);
    bytes.writeFloatLE(NaN, bytes.length - 4);
    await writeFile(weights, bytes);
    await writeFiles(folder, { 'pairs.jsonl': '{"query": "a", "document": "b"}\n' });
    const argv = ['score', '--model', 'model', '--input', 'pairs.jsonl', '--output', 'scores.jsonl'];
    const { code, stderr } = await run(argv, { cwd: folder });
    assert.is(code, 2);
    assert.match(stderr, /^error: pairs\.jsonl, pair 1: the score of model is NaN\nhint: /m);
    assert.equal((await readdir(folder)).sort(), ['model', 'pairs.jsonl']);
  }));

test('scores are written over neither the pairs nor the model', () =>
  inFolder(async (folder) => {
    await cp(modelFolder(), join(folder, 'model'), { recursive: true });
    await writeFiles(folder, { 'pairs.jsonl': '{"query": "a", "document": "b"}\n' });
    await link(join(folder, 'pairs.jsonl'), join(folder, 'hard-link'));
    await symlink('model/tokenizer.json', join(folder, 'link'));
    const before = await listing(folder);
    const outputs = ['pairs.jsonl', 'hard-link', 'link', 'model/model.safetensors', 'model/vocab.json'];
    for (const output of outputs) {
      const argv = ['score', '--model', 'model', '--input', 'pairs.jsonl', '--output', output];
      const { code, stderr } = await run(argv, { cwd: folder });
      assert.is(code, 2, stderr);
      assert.match(stderr, /would overwrite the input .*\nhint: Choose another file for --output\./);
    }
    assert.equal(await listing(folder), before);
  }));

test('an interrupted run ends with 130 and leaves no file', () =>
  inFolder(async (folder) => {
    const controller = new AbortController();
    controller.abort();
    await writeFiles(folder, { 'pairs.jsonl': '{"query": "a", "document": "b"}\n' });
    const argv = ['score', '--model', modelFolder(), '--input', 'pairs.jsonl', '--output', 'scores.jsonl'];
    const { code, stderr } = await run(argv, { cwd: folder, signal: controller.signal });
    assert.is(code, 130);
    assert.is(stderr, 'interrupted\n');
    await readFile(join(folder, 'scores.jsonl')).then(
      () => assert.unreachable(),
      (error: NodeJS.ErrnoException) => assert.is(error.code, 'ENOENT'),
    );
  }));

test('an interrupt ends the waiting for standard input', async () => {
  const controller = new AbortController();
  // Never gives a byte: somebody at a terminal who has not typed yet.
  const stdin = new Readable({ read: () => setImmediate(() => controller.abort()) });
  const { code, stdout } = await run(['score', '--model', modelFolder(), '--input', '-'], {
    stdin,
    signal: controller.signal,
  });
  assert.is(code, 130);
  assert.is(stdout, '');
});

test('standard input without line ends is refused before it fills the memory', async () => {
  const block = Buffer.alloc(8 * 1024 * 1024, 'a');
  const stdin = Readable.from(Array.from({ length: 10 }, () => block));
  const { code, stderr } = await run(['score', '--model', modelFolder(), '--input', '-'], { stdin });
  assert.is(code, 2);
  assert.match(stderr, /standard input:1: the line is longer than 16 MiB/);
});

test('a program that waits for each answer gets it', async () => {
  const asked = new PassThrough();
  let answered: (line: string) => void = () => undefined;
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      answered(chunk.toString());
      done();
    },
  });
  const { signal } = new AbortController();
  const io = { stdin: asked, stdout, stderr: new PassThrough().resume(), signal, env: {} };
  const ended = runCli(['score', '--model', modelFolder(), '--input', '-'], io);
  const pairs = (await expectedPairs()).slice(0, 3);
  for (const pair of pairs) {
    const { query, document } = pair;
    const answer = new Promise<string>((resolve) => (answered = resolve));
    const line = JSON.stringify({ query, document });
    // the start of the next line does not hold up this one
    asked.write(line);
    asked.write('\n  ');
    assertClose([(JSON.parse(await answer) as ScoreLine).score], [pair], TOLERANCES.cpu.float32.score);
  }
  asked.end();
  assert.is(await ended, 0);
});

test('--activation maps the scores', () =>
  inFolder(async (folder) => {
    const scores = async (model: string, ...more: string[]) => {
      const stdin = '{"query": "a", "document": "b"}\n{"query": "c", "document": "d"}\n';
      const { code, stdout, stderr } = await run(['score', '--model', model, '--input', '-', ...more], { stdin });
      assert.is(code, 0, stderr);
      return { values: parse(stdout).map(({ score }) => score), stderr };
    };
    const { values: raw } = await scores(modelFolder());
    const mapped = raw.map((logit) => 1 / (1 + Math.exp(-logit)));
    assert.equal((await scores(modelFolder(), '--activation', 'sigmoid')).values, mapped);
    assert.equal((await scores(modelFolder(), '--activation', 'identity')).values, raw);
    const unnamed = await scores(modelFolder(), '--activation', 'model');
    assert.equal(unnamed.values, raw);
    assert.match(unnamed.stderr, /names no activation; scores are raw logits/);
    assert.is((await run(['score', '--model', folder, '--input', '-', '--activation', 'relu'])).code, 2);
  }));

test.run();
