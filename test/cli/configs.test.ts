import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../support/cli.js';
import { inFolder, useOwnCache } from '../support/files.js';
import { copyModel, modelFolder } from '../support/models.js';
import { sharedPath } from '../support/shared.js';
import { writeTrainingCollection } from '../support/collections.js';

const test = suite('configs/');
useOwnCache(test);

const CONFIGS = fileURLToPath(new URL('../../configs/', import.meta.url));

/** The runs each example of re_rank leaves, or what fit is to be cut down to. An example that is missing here fails. */
const EXAMPLES: Readonly<Record<string, { runs: string[] } | { steps: string[] }>> = {
  're-rank-own-data.yaml': { runs: ['re-ranked/__bm25__my-collection.run'] },
  're-rank-datasets.yaml': { runs: ['mono-rank/runs/bm25.run', 'mono-rank/runs/splade.run'] },
  'fit-first-stage.yaml': { steps: ['--trainer.max_steps=2', '--trainer.val_check_interval=1'] },
  'fit-second-stage.yaml': { steps: ['--trainer.max_epochs=1'] },
};

/** The files that the examples name. */
async function writeExampleData(folder: string): Promise<void> {
  await writeTrainingCollection(folder, 100);
  await copyModel(join(folder, 'mono-rank'));
  await mkdir(join(folder, 'my-data'));
  const copies: Readonly<Record<string, string[]>> = {
    'docs.tsv': ['collection.tsv'],
    'queries.tsv': ['queries.tsv'],
    'train.qrels': ['train.qrels'],
    'dev.qrels': ['dev.qrels', 'test.qrels'],
    'train.run': ['train.run'],
    'teacher.run': ['teacher.run'],
    'dev.run': ['dev.run', '__bm25__my-collection.run', 'bm25.run', 'splade.run'],
  };
  for (const [from, names] of Object.entries(copies)) {
    for (const to of names) await copyFile(join(folder, 'data', from), join(folder, 'my-data', to));
  }
}

const names = (await readdir(join(CONFIGS, 'examples'))).filter((name) => name.endsWith('.yaml'));

for (const name of names) {
  const example = EXAMPLES[name];
  const argv = ['--config', join(CONFIGS, 'examples', name), '--model.model_name_or_path', 'mono-rank'];
  test(`examples/${name} runs`, () =>
    inFolder(async (folder) => {
      await writeExampleData(folder);
      assert.ok(example, `say here what ${name} does`);
      const verb = example && 'runs' in example ? ['re_rank'] : ['fit', ...((example && example.steps) ?? [])];
      const { code, stdout, stderr } = await run([verb[0]!, ...argv, ...verb.slice(1)], { cwd: folder });
      assert.is(code, 0, stderr);
      assert.match(stdout, /nDCG@10/);
      assert.not.match(stderr, /are ignored/);
      if (!example || !('runs' in example)) return;
      const found = await readdir(folder, { recursive: true });
      assert.equal(found.filter((path) => /^(mono-rank\/runs|re-ranked)\/.*\.run$/.test(path)).sort(), example.runs);
    }));
}

test('the second example of training starts where the first one ends, and re_rank takes the result', () =>
  inFolder(async (folder) => {
    await writeExampleData(folder);
    const config = (name: string): string[] => ['--config', join(CONFIGS, 'examples', name)];
    const short = ['--config', join(CONFIGS, 'trainer/fit-short.yaml'), '--trainer.default_root_dir'];
    const commands = [
      [
        'fit',
        ...config('fit-first-stage.yaml'),
        ...short,
        'trained/first-stage',
        '--model.model_name_or_path',
        modelFolder(),
      ],
      ['fit', ...config('fit-second-stage.yaml'), ...short, 'trained/second-stage'],
      [
        're_rank',
        ...config('re-rank-datasets.yaml'),
        '--model.model_name_or_path=trained/second-stage/lightning_logs/version_0/huggingface_checkpoint',
      ],
    ];
    for (const argv of commands) {
      const { code, stderr } = await run(argv, { cwd: folder });
      assert.is(code, 0, stderr);
    }
    const runs = await readdir(
      join(folder, 'trained/second-stage/lightning_logs/version_0/huggingface_checkpoint/runs'),
    );
    assert.equal(runs.sort(), ['bm25.run', 'bm25.run.json', 'splade.run', 'splade.run.json']);
  }));

test('trainer/fit-short.yaml validates after three steps, however long an epoch is', () =>
  inFolder(async (folder) => {
    await writeExampleData(folder);
    const configs = ['examples/fit-first-stage.yaml', 'trainer/fit-short.yaml'];
    const { code, stdout, stderr } = await run(
      [
        'fit',
        ...configs.flatMap((name) => ['--config', join(CONFIGS, name)]),
        `--model.model_name_or_path=${modelFolder()}`,
        '--data.init_args.train_batch_size=1',
      ],
      { cwd: folder },
    );
    assert.is(code, 0, stderr);
    assert.match(stderr, /step 3\b/);
    assert.match(stdout, /nDCG@10/);
  }));

/** What each recipe is run with: its verb, and the file that it lies over. A recipe that is missing here fails. */
const RECIPES: Readonly<Record<string, [verb: string, over?: string]>> = {
  'minilm-first-stage.yaml': ['fit'],
  'minilm-distil.yaml': ['fit'],
  'minilm-distil-held-out.yaml': ['fit', 'minilm-distil.yaml'],
  'minilm-re-rank.yaml': ['re_rank'],
  'minilm-re-rank-held-out.yaml': ['re_rank'],
};

for (const name of await readdir(join(CONFIGS, 'recipes'))) {
  test(`recipes/${name} is a configuration`, async () => {
    const [verb, over] = RECIPES[name] ?? [];
    assert.ok(verb, `say here what ${name} is run with`);
    const files = [over, name].filter((file) => file !== undefined);
    const argv = files.flatMap((file) => ['--config', join(CONFIGS, 'recipes', file)]);
    const { code, stderr } = await run([verb, ...argv, '--print_config']);
    assert.is(code, 0, stderr);
    assert.is(stderr, '');
  });
}

for (const [name, verb] of [
  ['re-rank', 're_rank'],
  ['pre-finetune', 'fit'],
  ['finetune', 'fit'],
] as const) {
  const seed = sharedPath(`seed/configs/${name}.yaml`);
  if (!seed) continue;
  test(`paper/${name}.yaml differs from the paper's file in names alone`, async () => {
    const printed = async (path: string): Promise<string> => {
      const { code, stdout, stderr } = await run([verb, '--config', path, '--print_config']);
      assert.is(code, 0, stderr);
      return stdout.replace(
        /(run_path_or_id: ).*\/|rank-distillm-rank-?zephyr|(model_name_or_path: )(?!google).+/g,
        '$1$2',
      );
    };
    assert.is(await printed(join(CONFIGS, `paper/${name}.yaml`)), await printed(seed));
  });
}

for (const group of ['data', 'model', 'trainer']) {
  for (const name of await readdir(join(CONFIGS, group))) {
    test(`${group}/${name} lies over an example`, async () => {
      for (const [verb, example] of [
        ['re_rank', 're-rank-datasets'],
        ['fit', 'fit-first-stage'],
      ] as const) {
        const files = [join(CONFIGS, 'examples', `${example}.yaml`), join(CONFIGS, group, name)];
        const argv = files.flatMap((file) => ['--config', file]);
        const { code, stderr } = await run([verb, ...argv, '--print_config']);
        assert.is(code, 0, stderr);
        assert.is(stderr, '');
      }
    });
  }
}

test.run();
