import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CollectionStore } from '../../src/data/collection/collection-store.js';
import { readQrels } from '../../src/data/formats/qrels.js';
import { readQueries } from '../../src/data/formats/texts.js';
import { DatasetRegistry, type DatasetPart } from '../../src/data/registry.js';
import { readRun } from '../../src/data/run-file.js';
import { DATASETS, FILES } from '../../src/fetch/dataset-table.js';
import { provideFile } from '../../src/fetch/datasets.js';
import { withDownloads } from '../../src/fetch/downloads.js';
import { withVariables } from '../support/environment.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';
import { addRecord, publicData, repaired, runOf, tar } from '../support/public-data.js';
import { addRepository, md5 } from '../support/web-server.js';

const test = suite('public datasets');

async function place() {
  const root = temporaryFolder();
  const data = await publicData(root);
  const home = join(root, 'irds');
  const variables = {
    IR_DATASETS_HOME: home,
    RANK_DISTILLM_DOWNLOADS: data.list,
    HF_ENDPOINT: data.server.url,
    HF_HOME: join(root, 'hf'),
    XDG_CACHE_HOME: join(root, 'cache'),
    ZENODO_ENDPOINT: data.server.url,
  };
  const within = <T>(work: () => Promise<T>, more: Record<string, string> = {}): Promise<T> =>
    withVariables({ ...variables, ...more }, work);
  const part = (id: string, name: DatasetPart): string => new DatasetRegistry().get(id, 'test')[name]!;
  return { root, home, data, within, part, asked: () => data.server.requests.splice(0).map(({ path }) => path) };
}

const tree = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

test('every dataset of the table has files of the table, and stays in the folder', async () => {
  for (const [id, files] of Object.entries(DATASETS)) {
    for (const key of Object.values(files) as string[]) assert.ok(FILES[key], `${id}: ${key}`);
  }
  for (const [key, file] of Object.entries(FILES)) {
    assert.ok(!key.startsWith('/') && !key.split('/').includes('..'), key);
    for (const from of 'from' in file ? [file.from] : 'join' in file ? file.join : []) assert.ok(FILES[from], from);
    if ('urls' in file) assert.match(file.md5, /^[0-9a-f]{32}$/);
  }
});

test('the passages are unpacked and repaired as by ir_datasets, and nothing else is fetched', async () => {
  const { home, data, within, part, asked } = await place();
  await using _ = data;
  const notes: string[] = [];
  await within(() =>
    withDownloads({ onNote: (text) => notes.push(text) }, async () => {
      const dataset = new DatasetRegistry().get('msmarco-passage/trec-dl-2020/judged', 'test');
      assert.is(dataset.repairsDocs, undefined);
      await using store = await CollectionStore.open(dataset.docs!);
      assert.equal(await store.getTexts(['7', '149']), [repaired(7), repaired(149)]);
      await provideFile(part('msmarco-passage/train', 'queries'));
    }),
  );
  assert.equal(asked(), ['/msmarcoranking/collectionandqueries.tar.gz', '/msmarcoranking/queries.tar.gz']);
  assert.equal(tree(home), [
    'msmarco-passage/collection.tsv',
    'msmarco-passage/collectionandqueries.tar.gz',
    'msmarco-passage/irds_version.txt',
    'msmarco-passage/queries.tar.gz',
    'msmarco-passage/train/queries.tsv',
  ]);
  assert.is(notes.filter((text) => text.includes('non-commercial research')).length, 1);
  await within(() => provideFile(part('msmarco-passage/dev/small', 'qrels')), { RANK_DISTILLM_OFFLINE: '1' });
  assert.equal(asked(), [], 'the archive is there');
});

test('archives without a place in the layout are removed, and lines lose the texts that they repeat', async () => {
  const { home, data, within, part } = await place();
  await using _ = data;
  const run = await within(() =>
    readRun(part('msmarco-passage/trec-dl-2019', 'scoreddocs')).catch((error: Error) => error),
  );
  assert.ok(run);
  const text = readFileSync(join(home, 'msmarco-passage/trec-dl-2019/ms.run'), 'utf8');
  assert.is(text.split('\n')[3], '200\t3');
  assert.equal(tree(home), ['msmarco-passage/trec-dl-2019/ms.run']);
});

test('DL-Hard has the queries of both years, v2 the members of its tar, BEIR those of its zip', async () => {
  const { data, within, part } = await place();
  await using _ = data;
  await within(async () => {
    assert.is((await readQueries(part('msmarco-passage/trec-dl-hard', 'queries'))).size, 8);
    assert.is((await readQrels(part('msmarco-passage/trec-dl-hard', 'qrels'))).length, 24);
    await using v2 = await CollectionStore.open(part('msmarco-passage-v2/trec-dl-2021/judged', 'docs'));
    assert.equal(await v2.getTexts(['msmarco_passage_01_2']), ['passage 1 2']);
    await using beir = await CollectionStore.open(part('beir/nfcorpus/test', 'docs'));
    assert.equal(await beir.getTexts(['MED-3']), ['title 3 text 3']);
    assert.is((await readQueries(part('beir/nfcorpus/test', 'queries'))).get('PLAIN-1'), 'query 1');
    assert.equal(
      (await readQrels(part('beir/nfcorpus/test', 'qrels'))).map(({ docId }) => docId),
      ['MED-1', 'MED-3'],
    );
  });
});

test('what ir_datasets has is used, also from its folder of local copies', async () => {
  const { home, data, within, part, asked } = await place();
  await using _ = data;
  const put = (name: string, content: string | Buffer): void => {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), content);
  };
  put('msmarco-passage/collection.tsv', '1\tthe passage of ir_datasets\n');
  put('msmarco-passage/irds_version.txt', 'v2');
  put(`downloads/c177b2795d5f2dcc524cf00fcd973be1`, 'another content');
  await within(async () => {
    await using store = await CollectionStore.open(part('msmarco-passage', 'docs'));
    assert.equal(await store.getTexts(['1']), ['the passage of ir_datasets']);
    assert.equal(asked(), []);
    await provideFile(part('msmarco-passage/train', 'queries'));
    assert.equal(asked(), ['/msmarcoranking/queries.tar.gz'], 'a copy with another checksum is not used');
  });
  rmSync(join(home, 'msmarco-passage/irds_version.txt'));
  writeFileSync(join(home, 'msmarco-passage/collection.tsv'), '1\tdon\u00e2\u0080\u0099t\n');
  await within(async () => {
    const { docs, repairsDocs } = new DatasetRegistry().get('msmarco-passage', 'test');
    assert.is(repairsDocs, true, 'a file without a version may not be repaired');
    await using store = await CollectionStore.open(docs!, { repairs: repairsDocs });
    assert.equal(await store.getTexts(['1']), ['don\u2019t']);
  });
  assert.equal(asked(), []);
  // a passage file of ir_datasets before 0.5 is not repaired: ir_datasets would remove it
  put('msmarco-passage/irds_version.txt', 'v1');
  put('msmarco-passage/collection.tsv.pklz4', 'its index');
  await within(() => provideFile(part('msmarco-passage', 'docs')));
  assert.match(readFileSync(join(home, 'msmarco-passage/collection.tsv'), 'utf8'), /passage 149/);
  assert.is(readFileSync(join(home, 'msmarco-passage/irds_version.txt'), 'utf8'), 'v2');
  assert.not(existsSync(join(home, 'msmarco-passage/collection.tsv.pklz4')));
});

test('a local registration wins, and may take parts of a public dataset', async () => {
  const { root, home, data, within } = await place();
  await using _ = data;
  const registry = new DatasetRegistry();
  const qrels = join(root, 'own.qrels');
  registry.register('msmarco-passage/trec-dl-2019', { qrels, docs: 'msmarco-passage' });
  await within(async () => {
    const found = registry.get('msmarco-passage-trec-dl-2019', 'test');
    assert.equal(found, {
      id: 'msmarco-passage/trec-dl-2019',
      qrels,
      docs: join(home, 'msmarco-passage/collection.tsv'),
    });
    assert.is(
      registry.get('msmarco-passage/train/rank-distillm-rank-zephyr', 'test').id,
      'msmarco-passage/train/rank-distillm-rankzephyr',
    );
    assert.is(registry.get('beir-nfcorpus-test', 'test').id, 'beir/nfcorpus/test');
  });
});

test('damaged and hostile archives', async () => {
  const { home, data, within, part } = await place();
  await using _ = data;
  const key = 'msmarco-passage/queries.tar.gz';
  const bodies: [Buffer, RegExp][] = [
    [await tar({ '../queries.train.tsv': 'x', 'other.tsv': 'y' }), /has no member queries\.train\.tsv/],
    [Buffer.from('no archive at all'.repeat(100)), /cannot be unpacked/],
    [data.files[key]!.subarray(0, 60), /cannot|ends|damaged/],
  ];
  for (const [body, words] of bodies) {
    data.server.files.set('/msmarcoranking/queries.tar.gz', { body });
    const mirrors = JSON.parse(readFileSync(data.list, 'utf8')) as Record<string, object>;
    mirrors[key] = { ...mirrors[key], md5: md5(body) };
    writeFileSync(data.list, JSON.stringify(mirrors));
    await within(() => refuses(() => provideFile(part('msmarco-passage/train', 'queries')), 'bad_input', words));
    assert.equal(tree(home), [key]);
    rmSync(join(home, key));
  }
  writeFileSync(data.list, '{"msmarco-passage/queries.tar.gz": {"url": 7}}');
  await within(() =>
    refuses(() => provideFile(part('msmarco-passage/train', 'queries')), 'bad_input', /expected url, md5/),
  );
});

const CHILD = fileURLToPath(new URL('./download-child.ts', import.meta.url));
const LOADER = new URL('../../scripts/lib/load-typescript.mjs', import.meta.url).href;

test('SIGKILL at 20 random moments of a download and its unpacking leaves no wrong passages', async () => {
  const { home, data, within, part } = await place();
  await using _ = data;
  const key = 'msmarco-passage/collectionandqueries.tar.gz';
  const lines = Array.from(
    { length: 100_000 },
    (_, i) => `${i}\t${createHash('sha512').update(String(i)).digest('hex')} don\u00e2\u0080\u0099t\n`,
  );
  const body = gzipSync(await tar({ 'collection.tsv': lines.join('') }), { level: 1 });
  data.server.files.set('/msmarcoranking/collectionandqueries.tar.gz', { body });
  const mirrors = JSON.parse(readFileSync(data.list, 'utf8')) as Record<string, object>;
  writeFileSync(data.list, JSON.stringify({ ...mirrors, [key]: { ...mirrors[key], md5: md5(body) } }));
  const expected = Buffer.from(lines.join('').replaceAll('\u00e2\u0080\u0099', '\u2019'));
  await within(async () => {
    const target = part('msmarco-passage', 'docs');
    for (let i = 0; i < 20; i += 1) {
      const child = spawn(process.execPath, ['--import', LOADER, CHILD, target], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const closed = once(child, 'close');
      await once(child.stdout, 'data'); // it begins
      await sleep(Math.random() * 1000);
      child.kill('SIGKILL');
      await closed;
      if (existsSync(target)) assert.ok(readFileSync(target).equals(expected));
      if (i % 5 === 4) rmSync(target, { force: true }); // once more from what is there
    }
    rmSync(target, { force: true });
    await provideFile(target);
    assert.ok(readFileSync(target).equals(expected));
  });
  assert.equal(
    tree(home),
    ['msmarco-passage/collection.tsv', key, 'msmarco-passage/irds_version.txt'],
    'nothing of the killed is left',
  );
});

test('offline, the error says how to go on', async () => {
  const { data, within, part, asked } = await place();
  await using _ = data;
  await within(
    async () => {
      const error = await refuses(
        () => readQrels(part('msmarco-passage/dev', 'qrels')),
        'not_found',
        /RANK_DISTILLM_OFFLINE/,
      );
      assert.match(error.hint!, /register local files for the dataset under `datasets:`/);
      await refuses(() => readRun('zenodo:15131907/a.run'), 'not_found', /RANK_DISTILLM_OFFLINE/);
    },
    { RANK_DISTILLM_OFFLINE: '1' },
  );
  assert.equal(asked(), []);
});

test('without a network, the error says how to go on', async () => {
  const { root, data, within, part } = await place();
  await using _ = data;
  const mirrors = join(root, 'mirrors.json');
  const nowhere = { url: 'http://mirror.invalid/qrels', md5: '0'.repeat(32) };
  writeFileSync(mirrors, JSON.stringify({ 'msmarco-passage/dev/qrels': nowhere }));
  const variables = { RANK_DISTILLM_DOWNLOADS: mirrors, HF_ENDPOINT: '' };
  const error = await within(
    () => refuses(() => readQrels(part('msmarco-passage/dev', 'qrels')), 'io', 'mirror.invalid: no such host'),
    variables,
  );
  assert.is(
    error.hint,
    'Check the network and the proxy variables, or register local files for the dataset under `datasets:` in the configuration.',
  );
});

test('files of Zenodo and of datasets on the hub', async () => {
  const { data, within, asked } = await place();
  await using _ = data;
  addRecord(data.server, '15131907', { 'a.run': runOf('trec-dl-2019', 'bm25') });
  const commit = 'd'.repeat(40);
  addRepository(data.server, {
    type: 'dataset',
    id: 'webis/rank-distillm',
    commit,
    files: { 'runs/b.run': Buffer.from('1 Q0 2 1 3 x\n') },
  });
  await within(async () => {
    assert.is((await readRun('zenodo:15131907/a.run')).length, 600);
    assert.is((await readRun('hf://datasets/webis/rank-distillm/runs/b.run')).length, 1);
    asked();
    for (const name of ['zenodo:15131907/a.run', 'hf://datasets/webis/rank-distillm/runs/b.run']) await readRun(name);
    assert.equal(asked(), []);
    const error = await refuses(
      () => readRun('zenodo:15131907/b.run'),
      'not_found',
      /zenodo:15131907: has no file b\.run/,
    );
    assert.match(error.hint!, /Its files: a\.run\./);
    await refuses(() => readRun('zenodo:1/b.run'), 'not_found', /zenodo:1: no such record/);
    await refuses(() => readRun('hf://datasets/webis/rank-distillm/c.run'), 'not_found', /has no file c\.run/);
    for (const name of [
      'zenodo:15131907/../x',
      'zenodo:x/y',
      'hf://datasets/webis/rank-distillm/../../x',
      'hf://models/a/b',
    ]) {
      await refuses(() => readRun(name), 'bad_input', /names no file/);
    }
  });
});

test.run();
