import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { copyFile, cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Hinge } from '../../examples/custom-loss.js';
import { isCompiled } from '../../scripts/lib/typescript.mjs';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { temporaryFolder } from '../support/files.js';
import { copyModel } from '../support/models.js';
import { LOADER } from '../support/programs.js';

const test = suite('examples');
const root = fileURLToPath(new URL('../../', import.meta.url));
const examples = join(root, 'examples');

/** A project as a reader has it: the package below node_modules, an example, a model. */
const project = temporaryFolder();
mkdirSync(join(project, 'node_modules'));
symlinkSync(root, join(project, 'node_modules/rank-distillm'));
await writeFile(join(project, 'package.json'), '{ "name": "my-project", "version": "1.0.0", "type": "module" }');
await copyModel(join(project, 'model'));
await cp(join(examples, 'data'), join(project, 'data'), { recursive: true });

const ran = new Set<string>();

async function run(example: string, ...argv: string[]): Promise<string> {
  ran.add(example);
  const file = join(project, example);
  await copyFile(join(examples, example), file);
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', LOADER, file, ...argv], { cwd: project });
  return stdout;
}

interface Session {
  query: string;
  shown: { text: string; clicked: boolean }[];
}

/** By how much the clicked documents of the sessions are above the others, on average. */
async function clickedAbove(model: string): Promise<number> {
  const sessions = readFileSync(join(examples, 'data/clicks.jsonl'), 'utf8').trim().split('\n');
  await using encoder = await CrossEncoder.load(model);
  let above = 0;
  for (const { query, shown } of sessions.map((line) => JSON.parse(line) as Session)) {
    const scores = await encoder.score(shown.map(({ text }) => ({ query, document: text })));
    const clicked = shown.findIndex((document) => document.clicked);
    if (clicked >= 0) above += scores[clicked]! - scores.reduce((sum, score) => sum + score, 0) / scores.length;
  }
  return above;
}

if (!isCompiled()) console.log('skipped: dist is not up to date; npm run setup compiles it');
else {
  test('hits of a search are printed best first', async () => {
    const lines = (await run('rerank-search.ts', 'model')).trim().split('\n');
    const scores = lines.map((line) => Number(line.split('  ')[0]));
    assert.is(lines.length, 3);
    assert.equal(
      scores,
      scores.toSorted((a, b) => b - a),
    );
    assert.equal(lines.map((line) => line.split('  ')[1]).sort(), ['forum', 'guide', 'shop']);
  });

  test('each line of a file has its own documents, by their scores', async () => {
    await run('rerank-file.ts', 'model', 'data/queries.jsonl', 'ranked.jsonl');
    const read = async (name: string) =>
      (await readFile(join(project, name), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
    const given = (await read('data/queries.jsonl')) as { query: string; documents: string[] }[];
    const ranked = (await read('ranked.jsonl')) as { query: string; documents: { text: string; score: number }[] }[];
    assert.equal(
      ranked.map(({ query }) => query),
      given.map(({ query }) => query),
    );
    await using encoder = await CrossEncoder.load(join(project, 'model'), { precision: 'int8' });
    for (const [i, { query, documents }] of ranked.entries()) {
      const best = await encoder.rank(query, given[i]!.documents, { returnDocuments: true });
      assert.equal(
        documents.map(({ text }) => text),
        best.map(({ document }) => document),
      );
    }
  });

  test('what was clicked is higher after training on clicks', async () => {
    const stdout = await run('fine-tune-on-clicks.ts', 'model', 'data/clicks.jsonl', '40');
    const folder = /^saved (.+)$/m.exec(stdout)![1]!;
    const [before, after] = [await clickedAbove(join(project, 'model')), await clickedAbove(join(project, folder))];
    assert.ok(after > before, `${after} > ${before}`);
    const lines = (await readFile(join(project, 'clicks-run.jsonl'), 'utf8')).trim().split('\n');
    assert.is(lines.length, 12); // the list without a click is left out
  });

  test('a custom loss falls while it trains', async () => {
    const stdout = await run('custom-loss.ts', 'model', 'clicks-run.jsonl', '40');
    const losses = [...stdout.matchAll(/^step \d+: loss (\S+)$/gm)].map(([, loss]) => Number(loss));
    assert.is(losses.length, 40);
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    assert.ok(sum(losses.slice(-10)) < sum(losses.slice(0, 10)), losses.join(' '));
    assert.ok((await readdir(join(project, 'hinge-model'))).includes('huggingface_checkpoint'));
  });

  test('its gradient is the derivative', () => {
    const shape = { queries: 2, docs: 3 };
    const values = Float64Array.of(0.3, -0.2, 0.9, 0.1, 0.4, -0.6);
    const targets = { ...shape, values: Float64Array.of(1, 0, 0, 2, 1, 0) };
    const loss = new Hinge({ margin: 0.45 });
    const { gradient } = loss.compute({ ...shape, values }, targets);
    const step = 1e-6;
    const derivative = values.map((value, i) => {
      const at = (moved: number) => loss.compute({ ...shape, values: values.with(i, moved) }, targets).value;
      return (at(value + step) - at(value - step)) / (2 * step);
    });
    gradient.forEach((value, i) =>
      assert.ok(Math.abs(value - derivative[i]!) < 1e-6, `${i}: ${value} ${derivative[i]}`),
    );
    assert.ok(gradient.some((value) => value !== 0));
  });

  test('runs are measured, compared and reported', async () => {
    const stdout = await run('evaluate-and-report.ts', 'data/qrels.txt', 'data/bm25.run', 'data/reranked.run');
    // by hand: reranked is the ideal order, and bm25's first relevant documents are second
    assert.match(stdout, /data\/bm25\.run \{ 'nDCG@10': 0\.6\d+, RR: 0\.5 \}/);
    assert.match(stdout, /data\/reranked\.run \{ 'nDCG@10': 1, RR: 1 \}/);
    assert.match(await readFile(join(project, 'report.html'), 'utf8'), /reranked/);
  });

  test('every example was run', async () => {
    const files = (await readdir(examples)).filter((name) => name.endsWith('.ts'));
    assert.equal([...ran].sort(), files.sort());
  });
}

test.run();
