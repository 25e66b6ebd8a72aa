import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inferredIds, runStem } from '../../src/data/dataset-id.js';
import { DatasetRegistry } from '../../src/data/registry.js';
import { refuses } from '../support/errors.js';

const test = suite('dataset registry');

test('ids are found with slashes and with dashes, parts may come from another dataset', () => {
  const registry = new DatasetRegistry();
  registry.register('passages', { docs: 'docs.tsv' });
  registry.register('passages/train', { docs: 'passages', queries: 'train.tsv' });
  registry.register('passages/train/judged', { docs: 'passages/train', queries: 'passages/train', qrels: 'qrels.txt' });
  const judged = { id: 'passages/train/judged', docs: 'docs.tsv', queries: 'train.tsv', qrels: 'qrels.txt' };
  assert.equal(registry.find('passages/train/judged'), judged);
  assert.equal(registry.find('passages-train-judged'), judged);
  // no part is inherited unless it is registered
  assert.equal(registry.find('passages/train'), { id: 'passages/train', docs: 'docs.tsv', queries: 'train.tsv' });
  assert.is(registry.find('passages/dev'), undefined);
  assert.equal(registry.ids(), ['passages', 'passages/train', 'passages/train/judged']);
});

test('both spellings of the RankZephyr data set name the same dataset', () => {
  for (const registered of [
    'msmarco-passage/train/rank-distillm-rankzephyr',
    'msmarco-passage/train/rank-distillm-rank-zephyr',
  ]) {
    const registry = new DatasetRegistry();
    registry.register(registered, { scoreddocs: 'teacher.parquet' });
    for (const asked of ['rank-distillm-rankzephyr', 'rank-distillm-rank-zephyr']) {
      assert.is(registry.find(`msmarco-passage/train/${asked}`)?.id, registered);
      assert.is(registry.find(`msmarco-passage-train-${asked}`)?.id, registered);
    }
  }
});

test('a dashed id of the MS MARCO passages means the id with slashes, repair of texts and all', async () => {
  for (const [asked, id] of [
    ['msmarco-passage-train-medical', 'msmarco-passage/train/medical'],
    [
      'msmarco-passage-train-sbert-msmarco-MiniLM-L-6-v3-docpairs',
      'msmarco-passage/train/sbert-msmarco-MiniLM-L-6-v3-docpairs',
    ],
    ['msmarco-passage-trec-dl-hard-fold3', 'msmarco-passage/trec-dl-hard/fold3'],
  ] as const) {
    const registry = new DatasetRegistry();
    const error = await refuses(() => registry.get(asked, 'a.run'), 'not_found', asked);
    assert.match(error.hint!, `\`${id}: {`);
    registry.register(asked, { docs: 'docs.tsv' });
    assert.equal(registry.find(id), { id, docs: 'docs.tsv', repairsDocs: true });
    assert.equal(registry.find(asked), registry.find(id));
    registry.register('other', { docs: asked });
    assert.is(registry.find('other')?.repairsDocs, true);
    await refuses(() => registry.register(id, { docs: 'others.tsv' }), 'bad_input', id, 'twice');
  }
  for (const id of ['msmarco-passage/trec-dl-2020/judged', 'msmarco-passage/dev/small']) {
    const asked = id.replaceAll('/', '-');
    const registry = new DatasetRegistry();
    assert.is(registry.get(asked, 'a.run').id, id); // a public one
    registry.register(asked, { docs: 'docs.tsv' });
    assert.equal(registry.find(id), { id, docs: 'docs.tsv', repairsDocs: true });
  }
  // not one of them
  const registry = new DatasetRegistry();
  registry.register('msmarco-passage-v2-dev1', { docs: 'docs.tsv' });
  assert.equal(registry.find('msmarco-passage-v2-dev1'), { id: 'msmarco-passage-v2-dev1', docs: 'docs.tsv' });
});

test('an id may be registered twice only with the same files', async () => {
  const registry = new DatasetRegistry();
  registry.register('a', { docs: 'x' });
  registry.register('a', { docs: 'x' });
  await refuses(() => registry.register('a', { docs: 'y' }), 'bad_input', 'dataset a', 'twice');
});

test('mistakes are named', async () => {
  const registry = new DatasetRegistry();
  await refuses(() => registry.register('a', { documents: 'x' } as object), 'bad_input', "'documents'");
  await refuses(() => registry.register('a', { docs: 5 } as object), 'bad_input', 'docs');
  await refuses(() => registry.register(' ', {}), 'bad_input', 'id');
  registry.register('a', { docs: 'b', queries: 'b' });
  registry.register('b', { docs: 'a' });
  await refuses(() => registry.find('a'), 'bad_input', 'circle', 'a → b → a');
  const other = new DatasetRegistry();
  other.register('c', { docs: 'd' });
  other.register('d', { queries: 'q.tsv' });
  await refuses(() => other.find('c'), 'bad_input', 'taken from d');
});

test('an unknown id says which are known, which is near, and how to register one', async () => {
  const registry = new DatasetRegistry();
  registry.register('my-set/test', {});
  registry.register('other', {});
  const error = await refuses(() => registry.get('my-set/tset', 'bm25.run'), 'not_found', 'bm25.run', "'my-set/tset'");
  for (const words of [
    'my-set/test, other',
    'Did you mean my-set/test?',
    'datasets:',
    'RegisterLocalDatasetCallback',
  ]) {
    assert.ok(error.hint!.includes(words), words);
  }
  const empty = await refuses(() => new DatasetRegistry().get('x', 'y'), 'not_found');
  assert.ok(empty.hint!.includes('No dataset is registered'));
});

test('ids and stems come from the end of file names', () => {
  assert.equal(inferredIds('runs/__colbert__msmarco-passage-trec-dl-2020-judged.run.gz'), [
    'msmarco-passage/trec-dl-2020/judged',
  ]);
  assert.equal(inferredIds('x/__bm25__set-v1.5.run'), ['set-v1.5', 'set-v1']);
  assert.equal(inferredIds('my.d/plain.parquet'), ['plain']);
  assert.is(runStem('a/v1.5.run'), 'v1.5');
  assert.is(runStem('a/v1.5.jsonl.GZ'), 'v1.5');
  assert.is(runStem('a/no-suffix'), 'no-suffix');
  assert.is(runStem('a/model-v1.5'), 'model-v1.5');
});

test.run();
