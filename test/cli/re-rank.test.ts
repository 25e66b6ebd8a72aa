import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRun } from '../../src/data/run-file.js';
import { sharedPath } from '../support/shared.js';
import { run } from '../support/cli.js';
import { writeCollection } from '../support/collections.js';
import { inFolder, listing, useOwnCache, writeFiles } from '../support/files.js';
import { modelFolder } from '../support/models.js';

const test = suite('re_rank');
useOwnCache(test);

const GOLDEN = fileURLToPath(new URL('./golden/re-rank/', import.meta.url));
const DEFAULT_RUN = 'mono-rank/runs/__bm25__tiny-set.run';
const read = (folder: string, name: string): Promise<string> => readFile(join(folder, name), 'utf8');

test('runs, names and measures are those of lightning-ir', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const argv = ['re_rank', '--config', join(GOLDEN, 'config.yaml'), '--model.model_name_or_path', modelFolder()];
    const { code, stdout, stderr } = await run(argv, { cwd: folder });
    assert.is(code, 0, stderr);
    const names = ['__bm25__tiny-set.run', 'group-tiny.run'];
    assert.equal(
      (await readdir(join(folder, 'out'))).sort(),
      names.flatMap((name) => [name, `${name}.json`]),
    );
    for (const name of names) {
      const found = await readRun(join(folder, 'out', name));
      const expected = await readRun(join(GOLDEN, name));
      assert.equal(
        found.map(({ queryId, docId, rank }) => [queryId, docId, rank]),
        expected.map(({ queryId, docId, rank }) => [queryId, docId, rank]),
      );
      found.forEach(({ score }, i) => assert.ok(Math.abs(score - expected[i]!.score) <= 1e-4, `${name}:${i + 1}`));
      const withoutScores = (text: string) => text.replace(/^(.*)\t[^\t]+(\t[^\t]+)$/gm, '$1$2');
      const written = await readFile(join(folder, 'out', name), 'utf8');
      assert.is(withoutScores(written), withoutScores(await readFile(join(GOLDEN, name), 'utf8')));
    }
    // Printed by lightning-ir: AP .75, nDCG@10 .819955, and AP .395833, nDCG@10 .542437.
    const cells = stdout.split('\n').map((line) => line.trim().split(/\s+/));
    assert.equal(cells.slice(0, 3), [
      ['dataset', 'nDCG@10', 'AP'],
      ['__bm25__tiny-set.run', '0.8200', '0.7500'],
      ['group/tiny', '0.5424', '0.3958'],
    ]);
    assert.not.match(stderr, /warning/); // keys of fit, such as trainer.logger, are accepted in silence
    assert.match(stderr, /wrote out\/__bm25__tiny-set\.run: 8 pairs of 2 topics in .*pairs\/s, float32/);
  }));

test('without a callback the run goes to the folder runs of the model, as in lightning-ir', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const { code, stderr } = await run(['re-rank', '--config', 'config.yaml'], { cwd: folder });
    assert.is(code, 0, stderr);
    assert.is((await readRun(join(folder, DEFAULT_RUN))).length, 12);
  }));

test('judged topics that were not scored are not in the mean, as in lightning-ir', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const whole = await run(['re_rank', '--config', 'config.yaml'], { cwd: folder });
    await writeFile(join(folder, 'data/test.qrels'), `${await read(folder, 'data/test.qrels')}q9 0 d1 1\n`);
    const again = await run(['re_rank', '--config', 'config.yaml'], { cwd: folder }); // also of a run that is there
    await rm(join(folder, 'mono-rank/runs'), { recursive: true });
    const anew = await run(['re_rank', '--config', 'config.yaml'], { cwd: folder });
    for (const { stdout, stderr } of [again, anew]) {
      assert.is(stdout, whole.stdout);
      assert.match(stderr, /note: __bm25__tiny-set\.run: 1 judged topics were not scored and are not in the mean/);
    }
  }));

test('limit_test_batches: the run holds those batches of topics, and their mean is shown', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const argv = ['re_rank', '--config', 'config.yaml'];
    const whole = await run(argv, { cwd: folder });
    const all = await readRun(join(folder, DEFAULT_RUN));
    assert.equal([...new Set(all.map(({ queryId }) => queryId))], ['q0', 'q1']);
    const limited = async (...more: string[]) => {
      const result = await run(
        [...argv, '--trainer.callbacks+={class_path: ReRankCallback, init_args: {overwrite: true}}', ...more],
        { cwd: folder },
      );
      return { ...result, entries: await readRun(join(folder, DEFAULT_RUN)) };
    };
    const first = all.filter(({ queryId }) => queryId === 'q0');
    for (const limit of ['1', '0.5']) {
      const { code, stdout, stderr, entries } = await limited(`--trainer.limit_test_batches=${limit}`);
      assert.is(code, 0, stderr);
      assert.not.match(stderr, /warning/);
      assert.equal(entries, first);
      assert.not.equal(stdout, whole.stdout);
      const qrels = 'q0 0 d0 3\nq0 0 d3 1\n'; // of the first topic alone
      await writeFiles(folder, { 'data/first.qrels': qrels });
      const evaluated = await run(
        ['evaluate', '--qrels', 'data/first.qrels', '--run', DEFAULT_RUN, '--metrics', 'nDCG@10'],
        { cwd: folder },
      );
      assert.is(stdout.trim().split(/\s+/).at(-1), evaluated.stdout.trim().split(/\s+/).at(-1));
    }
    const pair = await limited('--trainer.limit_test_batches=1', '--data.inference_batch_size=2');
    assert.equal(pair.entries, all);
    const little = await limited('--trainer.limit_test_batches=0.1');
    assert.is(little.code, 2);
    assert.match(little.stderr, /trainer\.limit_test_batches: 0\.1 of 2 batches is less than one batch/);
    const none = await limited('--trainer.limit_test_batches=0');
    assert.is(none.code, 2);
    assert.match(none.stderr, /trainer\.limit_test_batches: 0 leaves nothing to re-rank/);
  }));

test('a run that is the same result is skipped with one line and still measured; overwrite computes it again', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const argv = ['re_rank', '--config', 'config.yaml'];
    const first = await run(argv, { cwd: folder });
    const before = await listing(join(folder, 'mono-rank/runs'));
    const again = await run(argv, { cwd: folder });
    assert.is(again.code, 0, again.stderr);
    assert.is(
      again.stderr,
      `${DEFAULT_RUN} holds this result already and is skipped; overwrite of ReRankCallback computes it again\n`,
    );
    assert.is(again.stdout, first.stdout);
    assert.equal(await listing(join(folder, 'mono-rank/runs')), before);

    const overwrite = ['--trainer.callbacks+=ReRankCallback', '--trainer.callbacks.overwrite', 'true'];
    const anew = await run([...argv, ...overwrite], { cwd: folder });
    assert.is(anew.code, 0, anew.stderr);
    assert.match(anew.stderr, /^wrote mono-rank\/runs/m);
    assert.not.equal(await listing(join(folder, 'mono-rank/runs')), before);
  }));

test('keys of Lightning without a meaning here are named in one warning', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const argv = ['--trainer.limit_predict_batches=5', '--trainer.profiler=simple', '--trainer.max_steps=5'];
    const { code, stderr } = await run(['re_rank', '--config', 'config.yaml', ...argv], { cwd: folder });
    assert.is(code, 0, stderr);
    assert.match(stderr, /^warning: these keys of Lightning .*trainer\.limit_predict_batches .*trainer\.profiler/m);
    assert.is(stderr.match(/warning/g)?.length, 1);
    assert.not.match(stderr, /max_steps/);
  }));

test('save_dir and run_name place the run', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const callback = '{class_path: lightning_ir.ReRankCallback, init_args: {save_dir: a/b, run_name: mine.txt}}';
    const argv = ['re_rank', '--config', 'config.yaml', `--trainer.callbacks+=${callback}`];
    const { code, stderr } = await run(argv, { cwd: folder });
    assert.is(code, 0, stderr);
    assert.equal((await readdir(join(folder, 'a/b'))).sort(), ['mine.txt', 'mine.txt.run.json']);
  }));

const COLLISIONS: [what: string, prepare: (folder: string) => Promise<void>, argv: string[]][] = [
  ['the input', async () => undefined, ['--trainer.callbacks.save_dir', 'data']],
  [
    'the input, reached by a link',
    (folder) => symlink('data', join(folder, 'linked')),
    ['--trainer.callbacks.save_dir', 'linked'],
  ],
  [
    'the qrels',
    async () => undefined,
    ['--trainer.callbacks.save_dir=data', '--trainer.callbacks.run_name=test.qrels'],
  ],
];

for (const [what, prepare, argv] of COLLISIONS) {
  test(`the run is never written over ${what}`, () =>
    inFolder(async (folder) => {
      await writeCollection(folder);
      await prepare(folder);
      const before = await listing(folder);
      const overwrite = ['--trainer.callbacks+=ReRankCallback', '--trainer.callbacks.overwrite=true'];
      const result = await run(['re_rank', '--config', 'config.yaml', ...overwrite, ...argv], { cwd: folder });
      assert.is(result.code, 2);
      assert.match(result.stderr, /error: .*would overwrite the input/);
      assert.equal(await listing(folder), before);
    }));
}

test('a name keeps its dots, and two datasets never share a run', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const source = join(folder, 'data/__bm25__tiny-set.run');
    const names = ['bm25.v1.run', 'bm25.v2.run', 'bm25.v2.txt'];
    for (const name of names) await copyFile(source, join(folder, 'data', name));
    const rerank = (...inputs: string[]) => {
      const datasets = inputs.map((name) => `{run_path_or_id: data/${name}, dataset: tiny-set}`);
      const argv = ['re_rank', '--config', 'config.yaml', `--data.inference_datasets=[${datasets.join(', ')}]`];
      return run(argv, { cwd: folder });
    };
    const shared = await rerank(...names);
    assert.is(shared.code, 2);
    const both = /datasets 2 \(data\/bm25\.v2\.run\) and 3 \(data\/bm25\.v2\.txt\) .* mono-rank\/runs\/bm25\.v2\.run\n/;
    assert.match(shared.stderr, both);
    assert.not.ok((await readdir(join(folder, 'mono-rank'))).includes('runs'));
    const apart = await rerank('bm25.v1.run', 'bm25.v2.txt');
    assert.is(apart.code, 0, apart.stderr);
    const runs = (await readdir(join(folder, 'mono-rank/runs'))).filter((name) => name.endsWith('.run'));
    assert.equal(runs.sort(), ['bm25.v1.run', 'bm25.v2.run']);
  }));

test('a configured model.config wins over the checkpoint, defaults included', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const score = async (name: string, ...argv: string[]): Promise<number[]> => {
      const callback = `--trainer.callbacks+={class_path: ReRankCallback, init_args: {run_name: ${name}}}`;
      const result = await run(['re_rank', '--config', 'config.yaml', callback, ...argv], { cwd: folder });
      assert.is(result.code, 0, result.stderr);
      const entries = await readRun(join(folder, 'mono-rank/runs', name));
      return entries.map((entry) => entry.score);
    };
    const plain = await score('plain.run');
    // The checkpoint's own lengths are 8 and 40.
    const same = await score('same.run', '--model.config.query_length=8', '--model.config.doc_length=40');
    const cut = await score('cut.run', '--model.config.query_length=4', '--model.config.doc_length=6');
    assert.equal(same, plain);
    assert.ok(cut.some((value, i) => Math.abs(value - plain[i]!) > 1e-3));
  }));

test('an interrupted run ends with 130 and leaves no run', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    // Enough pairs for several windows, so that the signal finds the work half done.
    const lines = Array.from({ length: 40_000 }, (_, i) => `q${i % 6} Q0 d${i} 1 1 x\n`);
    const docs = Array.from({ length: 40_000 }, (_, i) => `d${i}\tSodrari limeu limlim ${i}\n`);
    await writeFiles(folder, { 'data/long__tiny-set.run': lines.join(''), 'data/docs.tsv': docs.join('') });
    const qrels = Array.from({ length: 6 }, (_, i) => `q${i} 0 d${i} 1\n`);
    await writeFile(join(folder, 'data/test.qrels'), qrels.join(''));
    const controller = new AbortController();
    const abortOnceWriting = setInterval(() => {
      void readdir(join(folder, 'mono-rank/runs')).then(
        () => controller.abort(),
        () => undefined,
      );
    }, 5);
    const argv = ['re_rank', '--config', 'config.yaml'];
    const { code, stderr } = await run(
      [...argv, '--data.inference_datasets=[{run_path_or_id: data/long__tiny-set.run}]'],
      { cwd: folder, signal: controller.signal },
    );
    clearInterval(abortOnceWriting);
    assert.is(code, 130, stderr);
    assert.match(stderr, /interrupted\n$/);
    assert.not.ok((await readdir(join(folder, 'mono-rank'))).includes('runs'));
  }));

test('--print_config prints what --config reads again, and does nothing else', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const argv = ['re_rank', '--config', 'config.yaml', '--trainer.precision=bf16', '--print_config'];
    const { code, stdout, stderr } = await run(argv, { cwd: folder });
    assert.is(code, 0);
    assert.is(stderr, '');
    await writeFile(join(folder, 'printed.yaml'), stdout);
    const again = await run(['re_rank', '--config', 'printed.yaml', '--print_config'], { cwd: folder });
    assert.is(again.stdout, stdout);
    assert.match(stdout, /precision: bf16/);
    await mkdir(join(folder, 'runs')); // it did not exist: nothing was written
  }));

test('a collection without qrels is re-ranked and says that there are no measures', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const argv = ['re_rank', '--config', 'config.yaml', '--datasets.tiny-set.qrels=null'];
    const { code, stdout, stderr } = await run(argv, { cwd: folder });
    assert.is(code, 0, stderr);
    assert.is(stdout, '');
    assert.match(stderr, /^no measures: no qrels are known for \S*bm25\S*$/m);
    const without = [...argv, '--model.evaluation_metrics=[]'];
    assert.match((await run(without, { cwd: folder })).stderr, /^no measures: evaluation_metrics is empty$/m);
  }));

test('a shard that cannot be is found before the model is looked for', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const argv = ['re_rank', '--config', 'config.yaml', '--model.model_name_or_path=nowhere', '--shard', '3/2'];
    const { code, stderr } = await run(argv, { cwd: folder });
    assert.is(code, 2);
    assert.match(stderr, /^error: --shard: there is no part 3 of 2\nhint: Parts are counted from 1: 1\/8 to 8\/8\.\n$/);
  }));

test('an error is one line whatever it quotes', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const line = JSON.stringify({ query_id: 'q1', doc_id: 'a\nb\u001b[2J', score: 1, query: 'q', text: 't' });
    await writeFiles(folder, { 'twice.jsonl': `${line}\n${line}\n` });
    const argv = ['re_rank', '--config', 'config.yaml', '--data.inference_datasets=[{run_path_or_id: twice.jsonl}]'];
    const { code, stderr } = await run(argv, { cwd: folder });
    assert.is(code, 2);
    assert.match(stderr, /^error: .*a\\nb\ufffd\[2J.*\nhint: .*\n$/);
  }));

const seed = sharedPath('seed/configs/re-rank.yaml');
if (seed) {
  test("the paper's re-rank.yaml runs as it is, beside our file that says where MS MARCO lies", () =>
    inFolder(async (folder) => {
      await writeCollection(folder);
      const inData = (name: string): string => join(folder, 'data', name);
      const years = ['2019', '2020'];
      await copyFile(inData('docs.tsv'), inData('collection.tsv'));
      const queries = gzipSync(await readFile(inData('queries.tsv')));
      for (const year of years) {
        await writeFile(inData(`msmarco-test${year}-queries.tsv.gz`), queries);
        await copyFile(inData('test.qrels'), inData(`${year}qrels-pass.txt`));
      }
      const names = ['colbert', 'bm25'].flatMap((first) =>
        years.map((year) => `__${first}__msmarco-passage-trec-dl-${year}-judged.run`),
      );
      for (const name of names) {
        await copyFile(inData('__bm25__tiny-set.run'), inData(name));
      }
      const ours = fileURLToPath(new URL('../../configs/data/msmarco-passage.yaml', import.meta.url));
      const argv = ['--config', seed, '--config', ours, '--model.model_name_or_path', 'mono-rank'];
      const { code, stdout, stderr } = await run(['re_rank', ...argv], { cwd: folder });
      assert.is(code, 0, stderr);
      const written = await readdir(join(folder, 'mono-rank/runs'));
      assert.equal(written.filter((name) => name.endsWith('.run')).sort(), [...names].sort());
      assert.equal(
        stdout
          .trimEnd()
          .split('\n')
          .map((line) => line.split(' ')[0]),
        ['dataset', ...names],
      );
    }));
}

test.run();
