import { cp, copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadBinding } from '../../src/io/load-binding.js';
import { run } from '../support/cli.js';
import { writeTrainingCollection } from '../support/collections.js';
import { changeFile, inFolder, temporaryFolder, useOwnCache, writeFiles } from '../support/files.js';
import { copyModel } from '../support/models.js';

const test = suite('a resume compares the run with the one that was saved');
useOwnCache(test);

const FIT = [
  'fit',
  '--config',
  'config.yaml',
  '--model.model_name_or_path=model',
  '--trainer.enable_progress_bar=false',
];
const TUPLES = [
  '--datasets.pairs={docs: data/docs.tsv, queries: data/queries.tsv, docpairs: data/pairs.tsv}',
  '--data.train_dataset={class_path: TupleDataset, init_args: {tuples_dataset: pairs}}',
];

/** Runs of three steps of six, one on a run and one on tuples: `runs` and `tuples`. */
const trained = temporaryFolder();
test.before(async () => {
  await writeTrainingCollection(trained);
  await copyModel(join(trained, 'model'));
  const pairs = Array.from({ length: 8 }, (_, i) => `t${i % 6}\td${i}\td${i + 4}\n`);
  await writeFiles(trained, { 'data/pairs.tsv': pairs.join('') });
  for (const [name, argv] of [
    ['runs', []],
    ['tuples', TUPLES],
  ] as const) {
    const root = `--trainer.default_root_dir=${name}`;
    const { code, stderr } = await run([...FIT, ...argv, root, '--trainer.max_steps=3'], { cwd: trained });
    assert.is(code, 0, stderr);
  }
});

/** Resumes in a copy of the folder after `make`. */
async function resume(name: 'runs' | 'tuples', argv: readonly string[], make?: (folder: string) => Promise<unknown>) {
  return inFolder(async (folder) => {
    await cp(trained, folder, { recursive: true });
    await make?.(folder);
    const tuples = name === 'tuples' ? TUPLES : [];
    const root = `--trainer.default_root_dir=${name}`;
    const rest = ['--trainer.max_steps=4', '--ckpt_path=last', ...argv];
    const result = await run([...FIT, ...tuples, root, ...rest], { cwd: folder });
    return {
      ...result,
      notes: (result.stderr.match(/^warning: .*$/gm) ?? []).map((line) => line.replace(/^.*?: .*?: /, '')),
    };
  });
}

interface Change {
  what: string;
  message: RegExp;
  of?: 'tuples';
  argv?: string[];
  make?: (folder: string) => Promise<unknown>;
}

const bf16 = loadBinding().info().bf16;

const REFUSED: Change[] = [
  { what: 'depth', message: /: depth was 10 and is now 9\n/, argv: ['--data.train_dataset.depth=9'] },
  {
    what: 'the documents of a sample',
    message: /sample_size was 4 and is now 3\n/,
    argv: ['--data.train_dataset.sample_size=3'],
  },
  {
    what: 'targets',
    message: /: targets was relevance and is now rank\n/,
    argv: ['--data.train_dataset.targets=rank'],
  },
  {
    what: 'sampling',
    message: /sampling_strategy was single_relevant and is now top/,
    argv: ['--data.train_dataset.sampling_strategy=top'],
  },
  {
    what: 'scaled targets',
    message: /normalize_targets was false and is now true/,
    argv: ['--data.train_dataset.normalize_targets=true'],
  },
  {
    what: 'another run of the same name and length',
    message: /the run was data\/train\.run \([0-9a-f]{8}\) and is now data\/train\.run \(/,
    make: (folder) => copyFile(join(folder, 'data/teacher.run'), join(folder, 'data/train.run')),
  },
  {
    what: 'a document with another text',
    message: /the collection was data\/docs\.tsv \(.*\) and is now data\/docs\.tsv \(/,
    make: (folder) => changeFile(join(folder, 'data/docs.tsv'), 'd0\t', 'd0\tanother '),
  },
  {
    what: 'a query with another text',
    message: /the text of the queries was [0-9a-f]{8} and is now/,
    make: (folder) => changeFile(join(folder, 'data/queries.tsv'), 't0\t', 't0\tanother '),
  },
  {
    what: 'other grades',
    message: /the qrels file was data\/train\.qrels \(.*\) and is now data\/train\.qrels \(/,
    make: (folder) => changeFile(join(folder, 'data/train.qrels'), ' 1\n', ' 2\n'),
  },
  {
    what: 'tuples',
    of: 'tuples',
    message: /the file of tuples was data\/pairs\.tsv \(.*\) and is now/,
    make: (folder) => changeFile(join(folder, 'data/pairs.tsv'), 't0\td0\td4', 't0\td4\td0'),
  },
  {
    what: 'the documents of a tuple',
    of: 'tuples',
    message: /num_docs was not set and is now 2/,
    argv: ['--data.train_dataset.num_docs=2'],
  },
  { what: 'the seed', message: /: seed was 7 and is now 8\n/, argv: ['--seed_everything=8'] },
  { what: 'the batch size', message: /the batch size was 2 and is now 3/, argv: ['--data.train_batch_size=3'] },
  {
    what: 'accumulated batches',
    message: /accumulate_grad_batches was 1 and is now 2/,
    argv: ['--trainer.accumulate_grad_batches=2'],
  },
  { what: 'shuffling', message: /shuffling was true and is now false/, argv: ['--data.shuffle_train=false'] },
  {
    what: 'a model of the same shape',
    message: /the model was model \([0-9a-f]{8}\) and is now model \(/,
    make: async (folder) => {
      const path = join(folder, 'model/model.safetensors');
      const bytes = await readFile(path);
      bytes[bytes.length - 1]! ^= 0x80;
      await writeFile(path, bytes);
    },
  },
  {
    what: 'the lengths that texts are cut to',
    message: /is a checkpoint of another model: query_length is 8 in it and 4 in/,
    argv: ['--model.config.query_length=4', '--model.config.doc_length=40'],
  },
];
if (bf16) {
  REFUSED.push({
    what: 'precision',
    message: /precision was float32 and is now bfloat16/,
    argv: ['--trainer.precision=bf16-mixed'],
  });
}

for (const { what, message, of = 'runs', argv = [], make } of REFUSED) {
  test(`refused: ${what}`, async () => {
    const { code, stderr } = await resume(of, argv, make);
    assert.is(code, 2, stderr);
    assert.match(stderr, message);
    assert.match(stderr, /^hint: Resume with /m);
  });
}

const MAX_STEPS = 'max_steps was 3 and is now 4';

const NOTED: [what: string, argv: string[], notes: RegExp[]][] = [
  ['the rate', ['--optimizer.lr=1e-5'], [/^lr was 0\.001 and is now 0\.00001$/]],
  ['weight decay', ['--optimizer.weight_decay=0.5'], [/^weight_decay was 0\.01 and is now 0\.5$/]],
  ['the loss', ['--model.loss_functions=[RankNet]'], [/^the loss was InfoNCE and is now RankNet\b/]],
  [
    'a weight of the loss',
    ['--model.loss_functions=[[InfoNCE, 0.5]]'],
    [/^the loss was InfoNCE and is now 0\.5 InfoNCE$/],
  ],
  [
    'an argument of the loss',
    ['--model.loss_functions=[{class_path: ApproxNDCG, init_args: {temperature: 0.5}}]'],
    [/^the loss was InfoNCE and is now ApproxNDCG \(temperature: 0\.5, scale_gains: true\)$/],
  ],
  [
    'a schedule',
    ['--lr_scheduler={class_path: LinearLR, init_args: {total_iters: 9}}'],
    [/^the schedule was constant and is now LinearLR \(factors 1, 1, 1 after/],
  ],
  [
    'clipping',
    ['--trainer.gradient_clip_val=0.1', '--trainer.gradient_clip_algorithm=value'],
    [/^gradient_clip_val was not set and is now 0\.1$/, /^gradient_clip_algorithm was norm and is now value$/],
  ],
  ['a limit of validation', ['--trainer.limit_val_batches=1'], [/^limit_val_batches was .* and is now 1 batches$/]],
];

for (const [what, argv, notes] of NOTED) {
  test(`one note: ${what}`, async () => {
    const { code, stderr, notes: found } = await resume('runs', argv);
    assert.is(code, 0, stderr);
    const others = found.filter((note) => note !== MAX_STEPS);
    assert.is(found.length - others.length, 1);
    assert.is(others.length, notes.length, others.join('\n'));
    notes.forEach((note, i) => assert.match(others[i]!, note));
  });
}

test('one note: the source of a custom loss', () =>
  inFolder(async (folder) => {
    await cp(trained, folder, { recursive: true });
    const mine = async (value: number) => {
      const gradient = 'new Float64Array(scores.values.length)';
      const source = `export class Mine { compute(scores) { return { value: ${value}, gradient: ${gradient} }; } }`;
      await writeFile(join(folder, `mine.js`), source);
      const loss = '--model.loss_functions=["./mine.js:Mine"]';
      return run([...FIT, '--trainer.default_root_dir=runs', loss, '--ckpt_path=last'], { cwd: folder });
    };
    const [first, same, other] = [await mine(1), await mine(1), await mine(2)];
    assert.is(other.code, 0, other.stderr);
    assert.match(first.stderr, /: the loss was InfoNCE and is now Mine \(source: [0-9a-f]{8}\)\n/);
    assert.not.match(same.stderr, /the loss was/);
    assert.match(other.stderr, /: the loss was Mine \(source: [0-9a-f]{8}\) and is now Mine \(source: /);
  }));

test('data that only moved are the same, and what was graded does not matter where no grade is used', async () => {
  const { code, stderr, notes } = await resume(
    'runs',
    ['--data.train_dataset.run_path_or_id=elsewhere.run', '--model.model_name_or_path=moved'],
    async (folder) => {
      await copyFile(join(folder, 'data/train.run'), join(folder, 'elsewhere.run'));
      await cp(join(folder, 'model'), join(folder, 'moved'), { recursive: true });
      await rm(join(folder, 'data/train.run'));
    },
  );
  assert.is(code, 0, stderr);
  assert.equal(notes, [MAX_STEPS]);
});

test('a checkpoint of an older release is named, also where the last one is asked for', async () => {
  const { code, stderr } = await resume('runs', [], async (folder) => {
    const file = join(folder, 'runs/lightning_logs/version_0/checkpoints/epoch=0-step=3/trainer_state.json');
    await changeFile(file, '"version": 2', '"version": 1');
  });
  assert.is(code, 2);
  assert.match(stderr, /trainer_state\.json: has format version 1, which does not record the training data/);
  assert.match(stderr, /^hint: .*set model_name_or_path to its folder to start a new run/m);
});

test.run();
