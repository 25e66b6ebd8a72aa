import { rmSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRun } from '../../src/data/run-file.js';
import { RankDistillmError } from '../../src/errors.js';
import type { RerankedRun, RerankRunsOptions } from '../../src/rerank/rerank-options.js';
import { rerankRuns } from '../../src/rerank/rerank-runs.js';
import { run } from '../support/cli.js';
import { INTO_OUT, RE_RANK, rerankOptions, writeCollection, writeLongCollection } from '../support/collections.js';
import { refuses } from '../support/errors.js';
import { inFolder, useOwnCache, writeFiles } from '../support/files.js';
import { copyModel } from '../support/models.js';

const test = suite('options of re-ranking, and where its runs go');
useOwnCache(test);

test('ckpt_path names the way that works', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const { code, stderr } = await run([...RE_RANK, '--ckpt_path=mono-rank'], { cwd: folder });
    assert.is(code, 2);
    assert.match(stderr, /hint: .*set --model\.model_name_or_path mono-rank and leave ckpt_path out/);
    const foreign = await run([...RE_RANK, '--ckpt_path=a/last.ckpt'], { cwd: folder });
    assert.match(foreign.stderr, /Lightning's \.ckpt files are not read/);
  }));

test('from TypeScript: what the command does', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const heard: string[] = [];
    const options = rerankOptions(folder, {
      onProgress: ({ label, pairs, totalPairs }) => heard.push(`${label} ${pairs}/${totalPairs}`),
      onRun: ({ outputPath }) => heard.push(outputPath),
    });
    const [first] = await rerankRuns(options);
    const outputPath = join(folder, 'mono-rank/runs/__bm25__tiny-set.run');
    assert.equal(heard, ['__bm25__tiny-set.run 12/12', outputPath]);
    assert.equal([first!.topics, first!.pairs, first!.unscoredTopics], [2, 12, 0]);
    assert.is(first!.scoring!.precision, 'float32');
    const [again] = await rerankRuns(options);
    assert.is(again!.scoring, undefined);
    assert.equal({ ...again, scoring: 0 }, { ...first, scoring: 0 });
    const { stdout } = await run([...INTO_OUT], { cwd: folder });
    assert.match(stdout, first!.metrics['nDCG@10']!.toFixed(4));
  }));

test('refine: the best of each topic are those of 32-true, and the record says so', () =>
  inFolder(async (folder) => {
    await writeLongCollection(folder, 60);
    const bestOf = async (path: string): Promise<string[]> => {
      const entries = await readRun(path);
      return entries
        .filter(({ rank }) => rank <= 3)
        .map(({ queryId, docId }) => `${queryId} ${docId}`)
        .sort();
    };
    const rerank = async (saveDir: string, more: Partial<RerankRunsOptions>): Promise<RerankedRun> =>
      (
        await rerankRuns(rerankOptions(folder, { saveDir: join(folder, saveDir), onWarning: () => undefined, ...more }))
      )[0]!;
    const refined = await rerank('refined', { precision: 'int8', refine: 3 });
    const exact = await rerank('exact', { precision: '32-true', refine: 3 });
    assert.equal(await bestOf(refined.outputPath), await bestOf(exact.outputPath));
    const { documents, rescored, bound, exceeded } = refined.scoring!.refined!;
    assert.equal([documents, exceeded, exact.scoring!.refined], [360, 0, undefined]);
    assert.ok(bound! > 0 && rescored > 0 && rescored < 360, `${rescored} by ${bound}`);
    const record = JSON.parse(await readFile(`${refined.outputPath}.json`, 'utf8')) as { refine: unknown };
    assert.equal(record.refine, { top: 3, precision: 'float32' });
    assert.is((await rerank('refined', { precision: 'int8', refine: 3 })).scoring, undefined);
    await refuses(() => rerank('refined', { precision: 'int8' }), 'bad_input', /refine was 3 and is now not set/);
  }));

test('a topic of more documents than a call takes arguments is scored and measured', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const numbers = Array.from({ length: 130_000 }, (_, i) => i);
    await writeFiles(folder, {
      'data/docs.tsv': numbers.map((i) => `d${i}\ta\n`).join(''),
      'data/queries.tsv': 'q\ta\n',
      'data/test.qrels': 'q 0 d10 1\n',
      'data/large.run': numbers.map((i) => `q Q0 d${i} ${i + 1} ${-i} x\n`).join(''),
    });
    const runs = [{ runPathOrId: join(folder, 'data/large.run'), dataset: 'tiny-set' }];
    const [reranked] = await rerankRuns(rerankOptions(folder, { runs, metrics: ['RR@10'] }));
    // all scores are equal, and MS MARCO's script breaks ties by document id: d0, d1, d10
    assert.equal([reranked!.pairs, reranked!.metrics], [numbers.length, { 'RR@10': 1 / 3 }]);
  }));

for (const [what, more, message] of [
  ['an unknown option', { limit: 1 }, /options: unknown option "limit"/],
  ['a name above the folder', { runName: '../a.run' }, /options\.runName: expected the name of a file/],
  ['no runs', { runs: [] }, /runs: there is nothing to re-rank/],
  ['nothing of a run', { limitTestBatches: { batches: 0 } }, /limitTestBatches: 0 leaves nothing/],
  ['a batch of nothing', { batchSize: 0 }, /options\.batchSize: expected a whole number of at least 1/],
] as const) {
  test(`refused from TypeScript: ${what}`, () =>
    inFolder(async (folder) => {
      await writeCollection(folder);
      const error = await rerankRuns(rerankOptions(folder, more as Partial<RerankRunsOptions>)).catch(
        (e: unknown) => e,
      );
      assert.instance(error, RankDistillmError);
      assert.match((error as RankDistillmError).message, message);
    }));
}

test('where the model folder cannot be written to, runs go below ./runs by its whole path, and that is said', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    await copyModel(join(folder, 'a/v1.0-rc.2'));
    await writeFile(join(folder, 'a/v1.0-rc.2/runs'), ''); // a mode would not stop root
    for (const model of ['./a/v1.0-rc.2/', join(folder, 'a/v1.0-rc.2')]) {
      const argv = [`--model.model_name_or_path=${model}`, '--trainer.callbacks.overwrite=true'];
      const { code, stderr } = await run([...RE_RANK, ...argv], { cwd: folder });
      assert.is(code, 0, stderr);
      assert.match(
        stderr,
        /note: .*v1\.0-rc\.2\/runs cannot be written to, so runs go to runs\/a\/v1\.0-rc\.2; set save_dir/,
      );
      assert.match(stderr, /wrote runs\/a\/v1\.0-rc\.2\/__bm25__tiny-set\.run/);
    }
  }));

test('a link that leads to a run is written through, beside it its record', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    await mkdir(join(folder, 'elsewhere'));
    await symlink('elsewhere', join(folder, 'out'));
    const { code, stderr } = await run(INTO_OUT, { cwd: folder });
    assert.is(code, 0, stderr);
    assert.equal((await readdir(join(folder, 'elsewhere'))).length, 2);
  }));

test('a run whose folder is taken away for good is kept with its record, and can be moved to its place', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const options = rerankOptions(folder, { metrics: [] });
    const saveDir = join(folder, 'out');
    const onProgress = (): void => {
      rmSync(saveDir, { recursive: true, force: true });
      writeFileSync(saveDir, 'a file of this name');
    };
    const error = await refuses(() => rerankRuns({ ...options, saveDir, onProgress }), 'io', 'is kept in');
    const kept = dirname(/is kept in (.*)$/.exec(error.message)![1]!);
    await rm(saveDir);
    await rename(kept, saveDir);
    const [again] = await rerankRuns({ ...options, saveDir });
    assert.is(again!.scoring, undefined); // skipped as the same result
  }));

test.run();
