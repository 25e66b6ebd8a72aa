import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../support/cli.js';

const test = suite('command line');

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

test('help about a verb that does not exist names it', async () => {
  const { code, stderr } = await run(['help', 'nonsense']);
  assert.is(code, 2);
  assert.match(stderr, /^error: unknown command 'nonsense'$/m);
  assert.match((await run(['help', 'fitt'])).stderr, /^hint: The nearest known command is "fit"\.$/m);
});

test('--version prints the version', async () => {
  const { code, stdout } = await run(['--version']);
  assert.is(code, 0);
  assert.is(stdout.trim(), manifest.version);
});

test('--help lists the commands', async () => {
  for (const argv of [['--help'], []]) {
    const { code, stdout, stderr } = await run(argv);
    assert.is(code, 0);
    for (const verb of ['re_rank', 'score', 'evaluate', 'fit', 'index', 'search']) assert.match(stdout, verb);
    assert.is(stderr, '');
  }
});

const HELP: [verb: string, says: RegExp][] = [
  ['re_rank', /--print_config/],
  ['re-rank', /--print_config/],
  ['score', /--with-tokens/],
  ['evaluate', /--by-query/],
  ['fit', /--ckpt_path/],
  ['index', /not part of rank-distillm/],
  ['search', /not part of rank-distillm/],
];

for (const [verb, says] of HELP) {
  test(`${verb} --help`, async () => {
    const { code, stdout } = await run([verb, '--help']);
    assert.is(code, 0);
    assert.match(stdout, says);
  });
}

for (const verb of ['index', 'search']) {
  test(`${verb} says that it is not here`, async () => {
    const { code, stdout, stderr, error } = await run([verb, '--config', 'x.yaml', '--model.a', 'b']);
    assert.is(code, 2);
    assert.is((error as { code: string }).code, 'unsupported');
    assert.match(stderr, /^error: .*not part of.*\nhint: .+\n$/);
    assert.is(stdout, '');
  });
}

const KEYS: [argv: string[], says: RegExp[]][] = [
  [
    ['fit', '--help'],
    [/^ {2}trainer +\S/m, /^ {2}optimizer +\S/m, /--help trainer/],
  ],
  [
    ['re_rank', '--help'],
    [/^ {2}trainer +\S/m, /^ {2}datasets +\S/m],
  ],
  [
    ['fit', '--help', 'trainer'],
    [/^ {2}max_steps\n {6}a whole number of at least -1; default -1\n {6}Optimizer steps/m],
  ],
  [['fit', '-h', 'trainer.max_steps'], [/^ {2}max_steps\n {6}a whole number/m]],
  [
    ['re-rank', '--help', 'trainer'],
    [/^ {2}limit_test_batches$/m, /without effect on re_rank: .*max_steps/],
  ],
  [['re_rank', '--help', 'data.init_args'], [/^ {2}inference_datasets$/m]],
  [
    ['fit', '--help', 'data.train_dataset'],
    [/^ {2}RunDataset: \S/m, /^ {2}TupleDataset: \S/m],
  ],
  [['fit', '--help', 'model.loss_functions'], [/^ {2}RankNet: \S/m]],
  [
    ['fit', '--help', 'model.config.query_length'],
    [/^ {2}query_length$/m, /default 32/],
  ],
  [['fit', '--help', 'datasets.my-set.docs'], [/^ {2}docs$/m]],
  [
    ['fit', '--help', 'ModelCheckpoint'],
    [/^ModelCheckpoint: When/, /^ {2}save_top_k$/m],
  ],
  [['fit', '--help', 'EarlyStopping'], [/^ {2}monitor\n {6}text; required$/m]],
  [
    ['evaluate', '--help'],
    [
      /nDCG, nDCG@10, .*NDCG\n/,
      /P@10, P\(rel=2\)@10, Precision\n/,
      /AP\(rel=2\), MAP/,
      /RR, RR@10/,
      /IPrec@0\.1/,
      /R@10/,
    ],
  ],
];

for (const [argv, says] of KEYS) {
  test(`${argv.join(' ')} says what the declarations say`, async () => {
    const { code, stdout, stderr } = await run(argv);
    assert.is(code, 0, stderr);
    for (const words of says) assert.match(stdout, words);
  });
}

const WRONG: [argv: string[], error: RegExp, hint: RegExp][] = [
  [['rerank'], /unknown command 'rerank'/, /Did you mean .*re_rank/],
  [['datasets'], /datasets: the command is missing/, /datasets list/],
  [['models', 'owner/name'], /unknown command 'owner\/name'/, /Commands: models \w+/],
  [['evaluate', '--qrel', 'q', '--run', 'r'], /unknown option '--qrel'/, /"--qrels"/],
  [['--verison'], /unknown option '--verison'/, /--help/],
  [['score', '--model', 'm'], /required option '--input <file>' not specified/, /score --help/],
  [['score', '--model'], /'--model <name>' argument missing/, /score --help/],
  [['score', '--model', 'm', '--input', 'x', '--threads', '0'], /'0' is invalid/, /score --help/],
  [['score', '--model', 'm', '--input', 'x', '--tokenizer-threads', '-1'], /'-1' is invalid/, /score --help/],
  [['evaluate', '--qrels', 'q', '--run', 'r', 'more', '--jsn'], /unknown option '--jsn'/, /--json/],
  [['re_rank', '--config'], /argument missing|value is missing/, /re_rank|--config/],
  [['re_rank', '--model.model_name_or_path'], /the value is missing/, /VALUE/],
  [['re_rank', '--trainer.default_root_dir', '--trainer.precision=32'], /root_dir: the value is missing/, /VALUE/],
  [['fit', '--config', '--print_config'], /config: the value is missing/, /VALUE/],
  [['fit', '--print_config=skip_null'], /takes no value/, /--print_config/],
  [['evaluate', '--qrels', 'a', '--qrels', 'b', '--run', 'r'], /given twice/, /evaluate --help/],
  [['re_rank', '-cnone.yaml'], /none\.yaml: .*no such file/i, /path/],
  [['re_rank', '-c=none.yaml'], /none\.yaml: .*no such file/i, /path/],
  [['re_rank', 'config.yaml'], /an argument without an option/, /--config/],
  [['fit', '--ckpt_path'], /argument missing|value is missing/, /fit|VALUE/],
  [['fit', '--help', 'trainer.max_step'], /--help trainer\.max_step: no section, key or class/, /nearest|--help/],
  [['fit', 'config.yaml'], /an argument without an option/, /--config/],
];

for (const [argv, error, hint] of WRONG) {
  test(`${argv.join(' ')} is refused`, async () => {
    const { code, stderr } = await run(argv);
    assert.is(code, 2);
    const [first = '', second = ''] = stderr.split('\n');
    assert.match(first, /^error: /);
    assert.match(first, error);
    assert.match(second, /^hint: /);
    assert.match(second, hint);
  });
}

test.run();
