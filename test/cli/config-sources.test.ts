import { homedir } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { run } from '../support/cli.js';
import { load } from '../support/config.js';
import { inFolder, writeFiles } from '../support/files.js';

// What jsonargparse 4.53 does with the same command lines, but for a flat file before the verb, which it refuses.
const test = suite('where a configuration comes from');

const FILES = {
  'flat.yaml': 'trainer: {max_steps: 5}\nmodel: {class_path: CrossEncoderModule, init_args: {label: 3}}\n',
  'by-verb.yaml': 'fit:\n  trainer: {max_steps: 6}\nre_rank:\n  trainer: {limit_test_batches: 2}\n',
  'trainer.yaml': 'max_steps: 9\nlog_every_n_steps: 2\n',
  'model.yaml': 'class_path: lightning_ir.CrossEncoderModule\ninit_args: {model_name_or_path: m}\n',
  'arguments.yaml': 'model_name_or_path: n\n',
  'wrong.yaml': 'max_steps: 9\nmax_step: 2\n',
};

interface Printed {
  trainer: { max_steps: number; log_every_n_steps: number | null; limit_test_batches: number | null };
  model: { init_args: { model_name_or_path: string; label: number | null } } | null;
}

const print = (...argv: string[]) =>
  inFolder(async (folder) => {
    await writeFiles(folder, FILES);
    const { code, stdout, stderr } = await run([...argv, '--print_config'], { cwd: folder });
    assert.is(code, 0, stderr);
    return parse(stdout) as Printed;
  });

const refusal = (...argv: string[]) =>
  inFolder(async (folder) => {
    await writeFiles(folder, FILES);
    const { code, stderr } = await run(argv, { cwd: folder });
    assert.is(code, 2);
    return stderr;
  });

test('a section from a file is merged like one of a configuration', async () => {
  const { trainer, model } = await print(
    'fit',
    '-c',
    'flat.yaml',
    '--trainer',
    'trainer.yaml',
    '--model',
    'model.yaml',
  );
  assert.equal([trainer.max_steps, trainer.log_every_n_steps], [9, 2]);
  assert.equal([model?.init_args.model_name_or_path, model?.init_args.label], ['m', 3]);
});

test('the file of a section may hold the arguments of its class alone', async () => {
  const { model } = await print('fit', '--model=arguments.yaml');
  assert.is(model?.init_args.model_name_or_path, 'n');
});

test('a later source wins over the file of a section', async () => {
  const { trainer } = await print(
    'fit',
    '--trainer',
    'trainer.yaml',
    '--trainer.max_steps',
    '4',
    '--config',
    'flat.yaml',
  );
  assert.equal([trainer.max_steps, trainer.log_every_n_steps], [5, 2]);
});

test('--config may stand before the verb', async () => {
  assert.is((await print('--config', 'flat.yaml', 'fit')).trainer.max_steps, 5);
  assert.is((await print('--config=flat.yaml', 're_rank', '--trainer', 'trainer.yaml')).trainer.max_steps, 9);
  assert.is((await print('-c', 'flat.yaml', '-cby-verb.yaml', 'fit')).trainer.max_steps, 6);
});

test('of a file with a block for each verb the one of the verb counts', async () => {
  assert.is((await print('--config', 'by-verb.yaml', 'fit')).trainer.max_steps, 6);
  const { trainer } = await print('--config', 'by-verb.yaml', 're-rank');
  assert.equal([trainer.max_steps, trainer.limit_test_batches], [-1, 2]);
});

test('errors name the file of a section, and its line', async () => {
  assert.match(
    await refusal('fit', '--trainer', 'wrong.yaml'),
    /^error: wrong\.yaml:2: unknown key "max_step" in trainer\n/,
  );
  assert.match(await refusal('fit', '--trainer', 'none.yaml'), /^error: none\.yaml: no such file or folder\n/);
  assert.match(await refusal('fit', '--model', 'none.yaml'), /^error: none\.yaml: no such file or folder\n/);
});

test('a section takes a class or a mapping, too', async () => {
  assert.is((await print('fit', '--model', 'CrossEncoderModule')).model?.init_args.label, null);
  assert.is((await print('fit', '--trainer', '{max_steps: 3}')).trainer.max_steps, 3);
});

test('another command does not take a configuration', async () => {
  const stderr = await refusal('--config', 'flat.yaml', 'score');
  assert.match(stderr, /^error: unknown option '--config'\nhint: See rank-distillm score --help\.\n$/);
});

test('~ and variables are expanded in every path', async () => {
  process.env['RANK_DISTILLM_TEST'] = 'scratch';
  const text = `
datasets: {set: {docs: ~/d, queries: $RANK_DISTILLM_TEST/q, qrels: "\${RANK_DISTILLM_TEST}/r"}}
ckpt_path: ~/c
model: {model_name_or_path: ~/m}
data: {inference_datasets: [{run_path_or_id: ~/x.run}]}
trainer:
  default_root_dir: $NOT_SET_ANYWHERE/x
  callbacks:
    - {class_path: ReRankCallback, init_args: {save_dir: ~}}
    - {class_path: RegisterLocalDatasetCallback, init_args: {dataset_id: ~/id, docs: ~/e}}
`;
  const { config } = await load([text]);
  const home = homedir();
  assert.is(config.datasets['set']?.docs, `${home}/d`);
  assert.is(config.datasets['set']?.queries, 'scratch/q');
  assert.is(config.datasets['set']?.qrels, 'scratch/r');
  assert.is(config.ckpt_path, `${home}/c`);
  assert.is(config.model?.init_args.model_name_or_path, `${home}/m`);
  const [dataset] = config.data?.init_args.inference_datasets ?? [];
  assert.is(dataset?.class_path === 'RunDataset' && dataset.init_args.run_path_or_id, `${home}/x.run`);
  assert.is(config.trainer.default_root_dir, '$NOT_SET_ANYWHERE/x');
  const [reRank, register] = config.trainer.callbacks ?? [];
  assert.is(reRank?.class_path === 'ReRankCallback' && reRank.init_args.save_dir, null);
  assert.is(register?.class_path === 'RegisterLocalDatasetCallback' && register.init_args.docs, `${home}/e`);
  assert.is(register?.class_path === 'RegisterLocalDatasetCallback' && register.init_args.dataset_id, '~/id');
});

test.run();
