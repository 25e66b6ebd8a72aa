import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run, type CliResult } from '../support/cli.js';
import { withVariables } from '../support/environment.js';
import { temporaryFolder } from '../support/files.js';
import { publicData } from '../support/public-data.js';
import { addRepository } from '../support/web-server.js';

const test = suite('datasets and models');

async function place() {
  const home = temporaryFolder();
  const data = await publicData(home);
  const variables = { HOME: home, HF_ENDPOINT: data.server.url, RANK_DISTILLM_DOWNLOADS: data.list };
  const command = (...argv: string[]): Promise<CliResult> => withVariables(variables, () => run(argv, { cwd: home }));
  const ok = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await command(...argv);
    assert.is(code, 0, stderr);
    return stdout;
  };
  return { home, data, command, ok, folder: join(home, '.ir_datasets') };
}

test('list, info, get and path', async () => {
  const { data, ok, folder } = await place();
  await using _ = data;
  assert.match(await ok('datasets', 'list'), /^msmarco-passage\/trec-dl-hard +docs queries qrels$/m);
  const id = 'msmarco-passage/trec-dl-2019/judged';
  assert.match(await ok('datasets', 'info', id), /^qrels +\S+qrels +http:\S+2019qrels-pass\.txt \(0\.1 MB\)$/m);
  const paths = await ok('datasets', 'path', id, '--parts', 'queries', 'qrels');
  assert.equal(data.server.requests, []);
  assert.not(existsSync(folder), 'nothing is made by asking');
  assert.is(await ok('datasets', 'get', 'msmarco-passage-trec-dl-2019-judged', '--parts', 'queries', 'qrels'), paths);
  for (const path of paths.trim().split('\n')) assert.ok(existsSync(path), path);
  assert.match(await ok('datasets', 'info', id), /^qrels +\S+qrels +there$/m);
  assert.is(await ok('datasets', 'path'), `${folder}\n`);
  assert.is(data.server.requests.length, 2);
});

test('models get', async () => {
  const { home, data, ok, command } = await place();
  await using _ = data;
  const files = {
    'config.json': Buffer.from('{}'),
    'vocab.txt': Buffer.from('[UNK]\n'),
    'README.md': Buffer.from('x'),
  };
  addRepository(data.server, { id: 'o/m', commit: 'e'.repeat(40), revisions: ['main', 'v2'], files });
  const folder = (await ok('models', 'get', 'o/m@v2')).trim();
  assert.is(folder, join(home, '.cache/huggingface/hub/models--o--m/snapshots', 'e'.repeat(40)));
  assert.equal(readdirSync(folder).sort(), ['config.json', 'vocab.txt']);
  const { code, stderr } = await command('models', 'get', 'o/n');
  assert.is(code, 2);
  assert.match(stderr, /^error: o\/n: no such model on .*\nhint: Check the spelling/m);
});

test('wrong ids and parts', async () => {
  const { data, command } = await place();
  await using _ = data;
  for (const [argv, words] of [
    [
      ['info', 'msmarco-pasage'],
      /msmarco-pasage: no public dataset has this id\nhint: The nearest known id is "msmarco-passage"/,
    ],
    [
      ['get', 'msmarco-passage', '--parts', 'qrels'],
      /dataset msmarco-passage has no part qrels\nhint: Its parts: docs\./,
    ],
  ] as const) {
    const { code, stderr } = await command('datasets', ...argv);
    assert.is(code, 2);
    assert.match(stderr, words);
  }
});

test.run();
