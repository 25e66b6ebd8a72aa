import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../support/cli.js';

const test = suite('command line');

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

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

const WRONG: [argv: string[], error: RegExp, hint: RegExp][] = [
  [['rerank'], /unknown command 'rerank'/, /Did you mean .*re_rank/],
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
