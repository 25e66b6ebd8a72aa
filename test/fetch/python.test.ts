import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readQrels } from '../../src/data/formats/qrels.js';
import { readDocuments, readQueries } from '../../src/data/formats/texts.js';
import { DatasetRegistry } from '../../src/data/registry.js';
import { FILES as TABLE } from '../../src/fetch/dataset-table.js';
import { provideFile, type FetchedFile } from '../../src/fetch/datasets.js';
import { fetchModel, resolveModel } from '../../src/models/resolve-model.js';
import { withVariables } from '../support/environment.js';
import { temporaryFolder } from '../support/files.js';
import { publicData } from '../support/public-data.js';
import { pythonWithOriginals } from '../support/shared.js';
import { addRepository, webServer } from '../support/web-server.js';

// The caches are those of Python's huggingface_hub and ir_datasets: each side reads what the other wrote.

const test = suite('python');
const PYTHON = pythonWithOriginals();
const run = promisify(execFile);

async function python(script: string, variables: Record<string, string>): Promise<unknown> {
  const env = { PATH: process.env['PATH'], HF_HUB_DISABLE_PROGRESS_BARS: '1', ...variables };
  const { stdout } = await run(PYTHON!, ['-c', script], { env });
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

const COMMIT = 'c'.repeat(40);
const FOLDER = new URL('../golden/references/mono-rank/', import.meta.url).pathname;
const FILES = Object.fromEntries(
  readdirSync(FOLDER)
    .filter((name) => name !== 'expected.json')
    .map((name) => [name, readFileSync(join(FOLDER, name))]),
);

async function hub() {
  const server = await webServer();
  const cdn = await webServer();
  const large = { names: ['model.safetensors'], server: cdn };
  addRepository(server, { id: 'webis/some-model', commit: COMMIT, files: FILES, large });
  const variables = { HF_ENDPOINT: server.url, HF_HOME: temporaryFolder() };
  return { server, cdn, variables };
}

const SNAPSHOT = `
import json, os, sys
from huggingface_hub import snapshot_download, scan_cache_dir, try_to_load_from_cache
folder = snapshot_download('webis/some-model', local_files_only=LOCAL)
cache = scan_cache_dir()
repo = list(cache.repos)[0]
absent = try_to_load_from_cache('webis/some-model', 'modules.json')
print(json.dumps({
  'folder': folder,
  'files': {name: os.path.getsize(os.path.join(folder, name)) for name in sorted(os.listdir(folder))},
  'warnings': [str(warning) for warning in cache.warnings],
  'refs': sorted(repo.refs), 'blobs': len(os.listdir(os.path.join(repo.repo_path, 'blobs'))),
  'absent': type(absent).__name__,
}))`;

interface Snapshot {
  folder: string;
  files: Record<string, number>;
  warnings: string[];
  refs: string[];
  blobs: number;
  absent: string;
}

const SIZES = Object.fromEntries(Object.entries(FILES).map(([name, body]) => [name, body.length]));

/** Reads datasets with ir_datasets, which takes its files from the stand-ins. */
const DATASETS = `
import gc, json, os
import ir_datasets
from ir_datasets.util import Download, RequestsDownload
stand_ins = json.loads(os.environ['STAND_INS'])
for one in [one for one in gc.get_objects() if type(one) is Download and one.expected_md5 in stand_ins]:
  found = stand_ins[one.expected_md5]
  one.mirrors, one.expected_md5, one._size_hint = [RequestsDownload(found['url'], tries=1)], found['md5'], None
found = {}
for name in ['msmarco-passage/trec-dl-2019/judged', 'msmarco-passage/trec-dl-2020/judged', 'beir/nfcorpus/test']:
  dataset = ir_datasets.load(name)
  found[name] = {
    'queries': [[one.query_id, one.text] for one in dataset.queries_iter()],
    'qrels': [[one.query_id, one.doc_id, one.relevance] for one in dataset.qrels_iter()],
    'docs': [[one.doc_id, one.default_text()] for one in dataset.docs_iter()],
  }
found['scoreddocs'] = [[one.query_id, one.doc_id] for one in ir_datasets.load('msmarco-passage/trec-dl-2019').scoreddocs_iter()]
print(json.dumps(found))`;

type Found = Record<string, { queries: string[][]; qrels: [string, string, number][]; docs: string[][] }>;

const READ = ['msmarco-passage/trec-dl-2019/judged', 'msmarco-passage/trec-dl-2020/judged', 'beir/nfcorpus/test'];

/** The same with this package; what is not there is downloaded. */
async function ownReading(): Promise<Found> {
  const found: Found = {};
  for (const id of READ) {
    const dataset = new DatasetRegistry().get(id, 'test');
    const docs: string[][] = [];
    await provideFile(dataset.docs!);
    for await (const { id, text } of readDocuments(dataset.docs!)) docs.push([id, text]);
    const qrels = await readQrels(dataset.qrels!);
    found[id] = {
      queries: [...(await readQueries(dataset.queries!))],
      qrels: qrels.map(({ queryId, docId, relevance }) => [queryId, docId, relevance]),
      docs,
    };
  }
  await provideFile(new DatasetRegistry().get('msmarco-passage/trec-dl-2019', 'test').scoreddocs!);
  return found;
}

if (PYTHON !== undefined) {
  test('ir_datasets reads the folder that we filled, and we read its; the files are the same', async () => {
    const root = temporaryFolder();
    const data = await publicData(root);
    await using _ = data;
    const mirrors = JSON.parse(readFileSync(data.list, 'utf8')) as Record<string, { url: string; md5: string }>;
    const standIns = Object.fromEntries(
      Object.entries(mirrors).map(([key, mirror]) => [(TABLE[key] as FetchedFile).md5, mirror]),
    );
    const ours = join(root, 'ours');
    const theirs = join(root, 'theirs');
    const own = { RANK_DISTILLM_DOWNLOADS: data.list, XDG_CACHE_HOME: join(root, 'cache') };
    const variables = {
      STAND_INS: JSON.stringify(standIns),
      IR_DATASETS_DL_DISABLE_PBAR: 'true',
      IR_DATASETS_TMP: root,
    };

    const read = await withVariables({ ...own, IR_DATASETS_HOME: ours }, ownReading);
    data.server.requests.length = 0;
    const { scoreddocs, ...found } = (await python(DATASETS, {
      ...variables,
      HOME: root,
      IR_DATASETS_HOME: ours,
    })) as Found;
    assert.equal(found, read);
    assert.is((scoreddocs as unknown as string[]).length, 20);
    assert.equal(data.server.requests, [], 'ir_datasets downloads nothing');

    const inTheirs = await python(DATASETS, { ...variables, HOME: root, IR_DATASETS_HOME: theirs });
    assert.equal(inTheirs, { ...found, scoreddocs });
    data.server.requests.length = 0;
    // the passages of BEIR are in another form there, so its archive is read once more, from the disk
    const again = { ...own, IR_DATASETS_HOME: theirs, RANK_DISTILLM_OFFLINE: '1' };
    assert.equal(await withVariables(again, ownReading), read);
    assert.equal(data.server.requests, []);
    for (const name of [
      'msmarco-passage/collection.tsv',
      'msmarco-passage/trec-dl-2019/ms.run',
      'msmarco-passage/irds_version.txt',
    ]) {
      assert.ok(readFileSync(join(ours, name)).equals(readFileSync(join(theirs, name))), name);
    }
  });

  test('huggingface_hub reads the cache that we wrote, offline', async () => {
    const { server, cdn, variables } = await hub();
    await using _ = server;
    await using __ = cdn;
    const folder = await withVariables(variables, () => fetchModel('webis/some-model'));
    const offline = { ...variables, HF_HUB_OFFLINE: '1' };
    const found = (await python(SNAPSHOT.replace('LOCAL', 'True'), offline)) as Snapshot;
    assert.is(found.folder, folder);
    assert.equal(found.files, SIZES);
    assert.equal(found.warnings, []);
    assert.equal(found.refs, ['main']);
    assert.is(found.absent, 'object', 'huggingface_hub knows that the file does not exist');
  });

  test('huggingface_hub fetches from the same server, and we read its cache without a request', async () => {
    const { server, cdn, variables } = await hub();
    await using _ = server;
    await using __ = cdn;
    const theirs = (await python(SNAPSHOT.replace('LOCAL', 'False'), variables)) as Snapshot;
    assert.equal(theirs.files, SIZES);
    server.requests.length = 0;
    const { folder } = await withVariables({ ...variables, HF_HUB_OFFLINE: '1' }, () =>
      resolveModel('webis/some-model'),
    );
    assert.is(folder, theirs.folder);
    assert.equal(server.requests, []);
    // online, what huggingface_hub cannot know is looked up once, and nothing is downloaded again
    cdn.requests.length = 0;
    assert.is((await withVariables(variables, () => resolveModel('webis/some-model'))).folder, theirs.folder);
    assert.equal(
      server.requests.map(({ method, path }) => `${method} ${path}`),
      [`GET /api/models/webis/some-model/revision/${COMMIT}`],
    );
    assert.equal(cdn.requests, []);
    const again = (await python(SNAPSHOT.replace('LOCAL', 'False'), variables)) as Snapshot;
    assert.is(again.blobs, theirs.blobs);
  });
}

test.run();
