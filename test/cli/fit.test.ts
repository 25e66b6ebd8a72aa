import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRun } from '../../src/data/run-file.js';
import { type CliResult, run } from '../support/cli.js';
import { inFolder, listing, useOwnCache, writeFiles } from '../support/files.js';
import { copyModel } from '../support/models.js';
import { writeTrainingCollection } from '../support/collections.js';

const test = suite('fit');
useOwnCache(test);

const LOGS = 'out/lightning_logs';
const MODEL = `${LOGS}/version_0/huggingface_checkpoint`;

/** Runs fit on the collection in `folder`; it must end well. */
async function fit(folder: string, ...argv: string[]): Promise<CliResult> {
  const result = await run(['fit', '--config', 'config.yaml', ...argv], { cwd: folder });
  assert.is(result.code, 0, result.stderr);
  return result;
}

const weights = (folder: string, model: string): Promise<Buffer> => readFile(join(folder, model, 'model.safetensors'));

/** A test in a folder that holds the collection. */
function testInCollection(what: string, use: (folder: string) => Promise<void>): void {
  test(what, () =>
    inFolder(async (folder) => {
      await writeTrainingCollection(folder);
      await use(folder);
    }),
  );
}

testInCollection('logs, configuration, checkpoint and model lie where lightning-ir puts them', async (folder) => {
  const { stdout, stderr } = await fit(folder);
  const version = await readdir(join(folder, LOGS, 'version_0'));
  assert.equal(version.filter((name) => !name.startsWith('events.out.tfevents')).sort(), [
    'checkpoints',
    'huggingface_checkpoint',
    'pl_config.yaml',
  ]);
  assert.is(version.length, 4, version.join());
  assert.equal(await readdir(join(folder, LOGS, 'version_0/checkpoints')), ['epoch=1-step=6']);
  const config = JSON.parse(await readFile(join(folder, MODEL, 'config.json'), 'utf8')) as Record<string, unknown>;
  assert.is(config['model_type'], 'mono');
  assert.equal(config['architectures'], ['MonoElectraModel']);
  const head = stdout.split('\n')[0]?.trim().split(/\s+/);
  assert.equal(head, ['dataset', 'nDCG@10', 'validation-InfoNCE']);
  assert.match(stdout, /^dev\.run +0\.\d{4} +\d\.\d{4}$/m);
  assert.match(
    stderr,
    /Finished at step 6 \(max_steps\)\. Model saved to out\/lightning_logs\/version_0\/huggingface_checkpoint/,
  );
  assert.match(stderr, /^data +train\.run: 6 samples of 4 documents$/m);
  assert.match(stderr, /^step 3: dev\.run\/nDCG@10 0\.\d{4}, dev\.run\/validation-InfoNCE \d\.\d{4}$/m);
  assert.not.match(stderr, /warning/);
});

testInCollection("the model and the configuration go where the first logger's sub_dir says", async (folder) => {
  const logger = '--trainer.logger={class_path: TensorBoardLogger, init_args: {sub_dir: a/b}}';
  const { stderr } = await fit(folder, logger, '--trainer.max_steps=1');
  assert.match(stderr, /Model saved to out\/lightning_logs\/version_0\/a\/b\/huggingface_checkpoint$/m);
  assert.equal((await readdir(join(folder, LOGS, 'version_0'))).sort(), ['a', 'checkpoints']);
  const [events = '', ...others] = (await readdir(join(folder, LOGS, 'version_0/a/b'))).sort();
  assert.match(events, /^events\.out/);
  assert.equal(others, ['huggingface_checkpoint', 'pl_config.yaml']);
  const resumed = await fit(folder, logger, '--trainer.max_steps=2', '--ckpt_path=last');
  assert.match(resumed.stderr, /^continuing from step 1 of /m);
});

testInCollection('a run that logs and saves nothing makes no folder', async (folder) => {
  const nothing = ['--trainer.logger=false', '--trainer.enable_checkpointing=false'];
  const { stderr } = await fit(folder, ...nothing, '--trainer.max_steps=1', '--trainer.default_root_dir=none');
  assert.match(stderr, /Nothing was saved\.$/m);
  assert.not.ok((await readdir(folder)).includes('none'));
});

testInCollection('each run gets a version of its own', async (folder) => {
  await fit(folder, '--trainer.max_steps=1');
  await fit(folder, '--trainer.max_steps=1');
  await rm(join(folder, LOGS, 'version_0'), { recursive: true });
  await fit(folder, '--trainer.max_steps=1');
  assert.equal(await readdir(join(folder, LOGS)), ['version_1', 'version_2']);
});

testInCollection('the model learns, and re_rank takes it', async (folder) => {
  const losses = async (version: number): Promise<number[]> => {
    const text = await readFile(join(folder, LOGS, `version_${version}/metrics.csv`), 'utf8');
    const [head = '', ...lines] = text.trim().split('\n');
    const column = head.split(',').indexOf('loss');
    return lines
      .map((line) => line.split(',')[column])
      .filter(Boolean)
      .map(Number);
  };
  await fit(folder, '--trainer.max_steps=60', '--trainer.logger=CSVLogger', '--optimizer.lr=3e-3');
  const all = await losses(0);
  assert.is(all.length, 60);
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(mean(all.slice(-10)) < 0.7 * mean(all.slice(0, 10)), all.join(' '));

  const rerank = async (model: string): Promise<string[]> => {
    const argv = ['re_rank', '--config', 'config.yaml', '--model.model_name_or_path', model];
    const { code, stderr } = await run(argv, { cwd: folder });
    assert.is(code, 0, stderr);
    return (await readRun(join(folder, model, 'runs/dev.run'))).map(({ queryId, docId }) => `${queryId} ${docId}`);
  };
  await copyModel(join(folder, 'untrained'));
  assert.not.equal(await rerank(MODEL), await rerank('untrained'));
});

testInCollection('loggers by class, with names as lightning-ir logs them', async (folder) => {
  const loggers = '[TensorBoardLogger, {class_path: CSVLogger, init_args: {save_dir: csv, name: "", version: mine}}]';
  await fit(folder, `--trainer.logger=${loggers}`, '--trainer.callbacks+=LearningRateMonitor');
  const text = await readFile(join(folder, 'csv/mine/metrics.csv'), 'utf8');
  const head = text.split('\n')[0]!.split(',');
  for (const name of [
    'step',
    'epoch',
    'loss',
    'InfoNCE',
    'lr-AdamW',
    'dev.run/nDCG@10',
    'dev.run/validation-InfoNCE',
  ]) {
    assert.ok(head.includes(name), `${name} in ${head.join()}`);
  }
  const events = await readdir(join(folder, LOGS, 'version_0'));
  assert.ok(events.some((name) => name.startsWith('events.out.tfevents')));
});

testInCollection('without a logger there are checkpoints only', async (folder) => {
  const { stderr } = await fit(folder, '--trainer.logger=false');
  assert.equal((await readdir(join(folder, 'out'))).sort(), ['checkpoints', 'huggingface_checkpoint']);
  assert.match(stderr, /Model saved to out\/huggingface_checkpoint/);
});

testInCollection('without checkpoints there are logs only', async (folder) => {
  const { stderr } = await fit(folder, '--trainer.enable_checkpointing=false', '--trainer.logger=CSVLogger');
  assert.equal((await readdir(join(folder, LOGS, 'version_0'))).sort(), ['metrics.csv', 'pl_config.yaml']);
  assert.match(stderr, /Nothing was saved/);
});

testInCollection('pl_config.yaml runs the same run again', async (folder) => {
  await fit(folder, '--seed_everything=true');
  const config = join(LOGS, 'version_0/pl_config.yaml');
  const text = await readFile(join(folder, config), 'utf8');
  assert.match(text, /^seed_everything: \d+$/m);
  const again = await run(['fit', '--config', config], { cwd: folder });
  assert.is(again.code, 0, again.stderr);
  assert.equal(await weights(folder, `${LOGS}/version_1/huggingface_checkpoint`), await weights(folder, MODEL));
  const other = await fit(folder, '--seed_everything=true');
  assert.is(other.code, 0);
  assert.not.equal(await weights(folder, `${LOGS}/version_2/huggingface_checkpoint`), await weights(folder, MODEL));
});

testInCollection('a run that goes on is the run that was never ended', async (folder) => {
  const callback =
    '--trainer.callbacks+={class_path: ModelCheckpoint, init_args: {every_n_train_steps: 2, save_top_k: -1}}';
  await fit(folder, callback);
  const { stderr } = await fit(folder, callback, '--ckpt_path', `${LOGS}/version_0/checkpoints/epoch=1-step=4`);
  assert.match(stderr, /^continuing from step 4 of .*epoch=1-step=4$/m);
  const whole = await weights(folder, MODEL);
  assert.equal(await weights(folder, `${LOGS}/version_1/huggingface_checkpoint`), whole);

  await fit(folder, callback, '--trainer.default_root_dir=short', '--trainer.max_steps=3');
  await fit(folder, callback, '--trainer.default_root_dir=short', '--ckpt_path=last');
  assert.equal(await weights(folder, 'short/lightning_logs/version_1/huggingface_checkpoint'), whole);
});

testInCollection('a run that drew its seed goes on with it', async (folder) => {
  await fit(folder, '--seed_everything=true', '--trainer.max_steps=3');
  await fit(folder, '--seed_everything=true', '--ckpt_path=last');
  const seeds = await Promise.all(
    [0, 1].map((version) => readFile(join(folder, LOGS, `version_${version}/pl_config.yaml`), 'utf8')),
  );
  assert.is(/seed_everything: \d+/.exec(seeds[0]!)?.[0], /seed_everything: \d+/.exec(seeds[1]!)?.[0]);
});

testInCollection('last is found where the logger and dirpath put it', async (folder) => {
  const logger = '--trainer.logger={class_path: CSVLogger, init_args: {save_dir: logs, name: mine}}';
  await fit(folder, logger, '--trainer.max_steps=3');
  await fit(folder, logger, '--ckpt_path=last');
  assert.equal(await readdir(join(folder, 'logs/mine')), ['version_0', 'version_1']);
  const kept = '--trainer.callbacks+={class_path: ModelCheckpoint, init_args: {dirpath: kept, every_n_train_steps: 3}}';
  await fit(folder, kept, '--trainer.logger=false', '--trainer.max_steps=3');
  await fit(folder, kept, '--trainer.logger=false', '--ckpt_path=last');
  assert.equal(await readdir(join(folder, 'kept')), ['epoch=1-step=6']);
});

testInCollection('the best checkpoints are kept by a measure', async (folder) => {
  const args =
    '{monitor: dev.run/nDCG@10, mode: max, save_top_k: 2, save_last: true, filename: "{step}-{dev.run/nDCG@10:.3f}"}';
  await fit(
    folder,
    `--trainer.callbacks+={class_path: ModelCheckpoint, init_args: ${args}}`,
    '--trainer.val_check_interval=1',
  );
  const names = await readdir(join(folder, LOGS, 'version_0/checkpoints'));
  assert.ok(names.includes('last'), names.join());
  assert.ok(names.filter((name) => /^step=\d-dev\.run_nDCG@10=0\.\d{3}$/.test(name)).length >= 2, names.join());
});

testInCollection('early stopping ends the run', async (folder) => {
  const stopping = '{class_path: EarlyStopping, init_args: {monitor: dev.run/nDCG@10, mode: max, patience: 1}}';
  const { stderr } = await fit(
    folder,
    `--trainer.callbacks+=${stopping}`,
    '--optimizer.lr=0',
    '--trainer.max_steps=40',
  );
  assert.match(stderr, /dev\.run\/nDCG@10 did not improve/);
  assert.match(stderr, /Finished at step 6 \(early_stopping\)/);
});

testInCollection('a loss of your own, weighted beside a built-in one', async (folder) => {
  await writeFiles(folder, {
    'losses/square.ts': `export class Square {
  readonly #scale: number;
  constructor({ scale }: { scale: number }) {
    this.#scale = scale;
  }
  compute(scores: { values: Float64Array }, targets: { values: Float64Array }) {
    const errors = scores.values.map((score, i) => score - targets.values[i]!);
    return {
      value: this.#scale * errors.reduce((sum, error) => sum + error * error, 0),
      gradient: errors.map((error) => 2 * this.#scale * error),
    };
  }
}
`,
  });
  const own = '{class_path: ./losses/square.ts:Square, init_args: {scale: 0.1}}';
  await fit(folder, `--model.loss_functions=[RankNet, [${own}, 0.5]]`, '--trainer.logger=CSVLogger');
  const text = await readFile(join(folder, LOGS, 'version_0/metrics.csv'), 'utf8');
  const [head = [], row = []] = text.split('\n').map((line) => line.split(','));
  const value = (name: string): number => Number(row[head.indexOf(name)]);
  assert.ok(Math.abs(value('loss') - value('RankNet') - 0.5 * value('Square')) < 1e-9, text);
});

testInCollection('tuples', async (folder) => {
  await writeFiles(folder, { 'data/tuples.tsv': 't0\td0\td1\nt1\td1\td2\nt2\td2\td3\n' });
  const tuples = await fit(
    folder,
    '--datasets.my/tuples.docs=data/docs.tsv',
    '--datasets.my/tuples.queries=data/queries.tsv',
    '--datasets.my/tuples.docpairs=data/tuples.tsv',
    '--data.train_dataset={class_path: TupleDataset, init_args: {tuples_dataset: my/tuples}}',
    '--data.inference_datasets=[{class_path: TupleDataset, init_args: {tuples_dataset: my/tuples}}]',
    '--model.loss_functions=[RankNet]',
    '--model.evaluation_metrics=[loss]',
  );
  const { stdout } = tuples;
  assert.match(stdout, /validation-RankNet/);
  assert.match(stdout, /my\/tuples/);
});

testInCollection('topics that make no sample are counted in one warning', async (folder) => {
  const qrels = await readFile(join(folder, 'data/train.qrels'), 'utf8');
  await writeFile(
    join(folder, 'data/train.qrels'),
    qrels.replaceAll(/^t[01] 0 (\S+) 1$/gm, (line) => line.replace(/1$/, '0')),
  );
  const { stderr } = await fit(folder);
  assert.is(stderr.match(/^warning: /gm)?.length, 1);
  assert.match(stderr, /^warning: data\/train\.run: topics without a relevant document, skipped: 2$/m);
});

testInCollection('keys of re_rank are accepted in silence, those of Lightning with one warning', async (folder) => {
  const { stderr } = await fit(
    folder,
    '--trainer.callbacks+=ReRankCallback',
    '--trainer.profiler=simple',
    '--data.num_workers=4',
    '--trainer.max_steps=1',
  );
  assert.is(stderr.match(/^warning: /gm)?.length, 1, stderr);
  assert.match(stderr, /^warning: these keys of Lightning .*trainer\.profiler .*num_workers/m);
});

testInCollection('--print_config prints what --config reads again, and does nothing else', async (folder) => {
  const argv = ['fit', '--config', 'config.yaml', '--trainer.limit_val_batches=1.0', '--print_config'];
  const { code, stdout, stderr } = await run(argv, { cwd: folder });
  assert.is(code, 0, stderr);
  assert.is(stderr, '');
  assert.match(stdout, /limit_val_batches: 1\.0/);
  await writeFile(join(folder, 'printed.yaml'), stdout);
  const again = await run(['fit', '--config', 'printed.yaml', '--print_config'], { cwd: folder });
  assert.is(again.stdout, stdout);
  await mkdir(join(folder, 'out')); // it did not exist: nothing was written
});

testInCollection('summary and progress can be left out', async (folder) => {
  const quiet = ['--trainer.enable_model_summary=false', '--trainer.enable_progress_bar=false'];
  const { stderr } = await fit(folder, ...quiet, '--trainer.max_steps=1');
  assert.match(stderr, /^Finished at step 1 .*\n$/);
});

testInCollection('without evaluation_metrics there is no validation', async (folder) => {
  const { stdout, stderr } = await fit(folder, '--model.evaluation_metrics=null', '--trainer.max_steps=1');
  assert.is(stdout, '');
  assert.match(stderr, /^warning: the inference datasets are not used for validation, because no measures are set$/m);
  assert.match(stderr, /Finished at step 1/);
});

testInCollection('limit_val_batches 0 is no validation, and nothing to watch', async (folder) => {
  const { stdout, stderr } = await fit(folder, '--trainer.limit_val_batches=0', '--trainer.max_steps=3');
  assert.is(stdout, '');
  assert.not.match(stderr, /warning/);
  const monitor = '--trainer.callbacks+={class_path: ModelCheckpoint, init_args: {monitor: dev.run/nDCG@10}}';
  const argv = ['fit', '--config', 'config.yaml', '--trainer.limit_val_batches=0', monitor];
  const watched = await run(argv, { cwd: folder });
  assert.is(watched.code, 2);
  assert.match(watched.stderr, /"dev\.run\/nDCG@10" is not logged; logged are loss, InfoNCE, epoch, step/);
});

/** A second validation run beside `dev.run`, of a dataset without qrels. */
async function addBareRun(folder: string): Promise<string> {
  await copyFile(join(folder, 'data/dev.run'), join(folder, 'data/bare.run'));
  const own = '{run_path_or_id: data/dev.run, dataset: dev, depth: 8}';
  return `--data.inference_datasets=[${own}, {run_path_or_id: data/bare.run, dataset: bare}]`;
}
const BARE = '--datasets.bare={docs: data/docs.tsv, queries: data/queries.tsv}';

testInCollection('a validation dataset without qrels is passed over, with a warning', async (folder) => {
  const two = await addBareRun(folder);
  const monitor =
    '--trainer.callbacks+={class_path: ModelCheckpoint, init_args: {monitor: dev.run/nDCG@10, mode: max}}';
  const { stdout, stderr } = await fit(folder, BARE, two, monitor, '--trainer.max_steps=3');
  assert.equal(stderr.match(/^warning: .*$/gm), ['warning: bare.run: has no qrels, so no measures are computed']);
  assert.match(stderr, /^step 3: dev\.run\/nDCG@10 0\.\d{4}$/m);
  assert.match(stdout, /^dev\.run +0\.\d{4}$/m);
});

testInCollection("of several validation datasets Lightning's names are known, too", async (folder) => {
  const two = await addBareRun(folder);
  const args = (monitor: string): string =>
    `{monitor: ${monitor}, mode: max, filename: "{step}-{${monitor}:.2f}", auto_insert_metric_name: false}`;
  const callback = (monitor: string): string =>
    `--trainer.callbacks+={class_path: ModelCheckpoint, init_args: ${args(monitor)}}`;
  await fit(folder, BARE, two, callback('dev.run/nDCG@10/dataloader_idx_0'), '--trainer.max_steps=3');
  const [name = ''] = await readdir(join(folder, LOGS, 'version_0/checkpoints'));
  assert.match(name, /^3-0\.[1-9]\d$/);
  const argv = ['fit', '--config', 'config.yaml', BARE, two, callback('dev.run/nDCG@10/dataloader_idx_1')];
  const misplaced = await run(argv, { cwd: folder });
  assert.is(misplaced.code, 2);
  assert.match(misplaced.stderr, /"dev\.run\/nDCG@10\/dataloader_idx_1" is not logged/);
});

testInCollection('a run that is registered by its id gives the name in logs', async (folder) => {
  await copyFile(join(folder, 'data/dev.run'), join(folder, 'data/first.run'));
  const { stdout } = await fit(
    folder,
    '--trainer.max_steps=3',
    '--datasets.dev.scoreddocs=data/first.run',
    '--data.inference_datasets=[{run_path_or_id: dev}]',
    '--trainer.callbacks+={class_path: ModelCheckpoint, init_args: {monitor: dev/nDCG@10, mode: max}}',
  );
  assert.match(stdout, /^dev +0\.\d{4}/m);
});

testInCollection('neither the model that is trained nor the configuration is replaced', async (folder) => {
  await fit(folder, '--trainer.max_steps=1');
  const again = ['--trainer.max_steps=1', '--trainer.logger={class_path: TensorBoardLogger, init_args: {version: 0}}'];
  const saved = join(LOGS, 'version_0/pl_config.yaml');
  const before = await listing(folder);
  for (const [argv, message] of [
    [[`--model.model_name_or_path=${MODEL}`, ...again], /huggingface_checkpoint: would overwrite the input/],
    [['--config', saved, ...again], /pl_config\.yaml: would overwrite the input/],
  ] as const) {
    const { code, stderr } = await run(['fit', '--config', 'config.yaml', ...argv], { cwd: folder });
    assert.is(code, 2, stderr);
    assert.match(stderr, message);
  }
  assert.equal(await listing(folder), before);
});

test.run();
