import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_WORLD, generateWorld, scaledWorld } from '../../scripts/demo/world/generate.js';
import { writeWorld } from '../../scripts/demo/world/write.js';
import { evaluate } from '../../src/evaluate/evaluate.js';

const test = suite('invented world');
const world = generateWorld(DEFAULT_WORLD);

async function filesOf(seed: number): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'world-'));
  try {
    await writeWorld(generateWorld({ ...scaledWorld(DEFAULT_WORLD, 0.1), seed }), folder);
    const names = (await readdir(folder)).sort();
    const digest = async (name: string) =>
      createHash('sha256')
        .update(await readFile(join(folder, name)))
        .digest('hex');
    return Object.fromEntries<string>(
      await Promise.all(names.map(async (name) => [name, await digest(name)] as const)),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('the same seed writes the same files, another seed others', async () => {
  const files = await filesOf(7);
  assert.equal(Object.keys(files), [
    '__bm25__invented-world-test.run',
    '__bm25__invented-world-train.run',
    '__teacher__invented-world-test.run',
    '__teacher__invented-world-train.run',
    'collection.tsv',
    'qrels.test.txt',
    'qrels.train.txt',
    'queries.test.tsv',
    'queries.train.tsv',
  ]);
  assert.equal(await filesOf(7), files);
  const others = await filesOf(8);
  for (const [name, digest] of Object.entries(files)) assert.is.not(others[name], digest, name);
});

test('a few thousand passages without tabs or newlines, as many queries as asked for, docids and texts unique', () => {
  assert.ok(world.passages.length >= 5000 && world.passages.length <= 8000, String(world.passages.length));
  assert.is(world.train.queries.length, 3500);
  assert.is(world.test.queries.length, 300);
  assert.is(new Set(world.passages.map(({ docId }) => docId)).size, world.passages.length);
  assert.is(new Set(world.passages.map(({ text }) => text)).size, world.passages.length);
  const lines = [...world.passages, ...world.train.queries, ...world.test.queries].map(({ text }) => text);
  for (const text of lines) assert.not.match(text, /[\t\n{}]|undefined/);
});

test('what train and test ask about has no entity, name or relevant passage in common', () => {
  const byId = new Map(world.entities.map((entity) => [entity.id, entity]));
  const byDoc = new Map(world.passages.map((passage) => [passage.docId, passage]));
  const [train, test] = (['train', 'test'] as const).map((split) => {
    const relevant = world[split].qrels.filter(({ relevance }) => relevance > 0).map(({ docId }) => docId);
    const ids = relevant.flatMap((docId) => {
      const { subjectId, mentions } = byDoc.get(docId)!;
      return [subjectId, ...mentions.map(({ entityId }) => entityId)];
    });
    const asked = world[split].queries.map(({ entityId }) => entityId);
    return { relevant, ids: [...ids, ...asked], names: [...ids, ...asked].map((id) => byId.get(id)!.name) };
  });
  for (const key of ['relevant', 'ids', 'names'] as const) {
    const seen = new Set(train![key]);
    assert.ok(seen.size > 50);
    assert.equal(
      test![key].filter((value) => seen.has(value)),
      [],
    );
  }
});

test('every query has an answer, a fact stated in the words of its passage', () => {
  const byId = new Map(world.entities.map((entity) => [entity.id, entity]));
  const byDoc = new Map(world.passages.map((passage) => [passage.docId, passage.text.toLowerCase()]));
  for (const { queries, qrels } of [world.train, world.test]) {
    for (const { queryId, entityId, relation } of queries) {
      const fact = byId.get(entityId)!.facts.get(relation)!;
      const value = (byId.get(fact)?.name ?? fact).toLowerCase();
      const answers = qrels.filter((qrel) => qrel.queryId === queryId && qrel.relevance >= 2);
      assert.ok(
        answers.some(({ relevance }) => relevance === 3),
        `${queryId} has no answer`,
      );
      for (const { docId } of answers) assert.ok(byDoc.get(docId)!.includes(value), `${docId} lacks ${value}`);
    }
  }
});

test('all four grades are judged in both splits', () => {
  for (const { qrels } of [world.train, world.test]) {
    assert.equal([...new Set(qrels.map(({ relevance }) => relevance))].sort(), [0, 1, 2, 3]);
  }
});

test('a scale multiplies entities and queries', () => {
  const { counts, queries } = scaledWorld(DEFAULT_WORLD, 0.1);
  assert.equal(counts, {
    train: { person: 24, place: 12, work: 16, event: 12 },
    test: { person: 3, place: 2, work: 2, event: 2 },
  });
  assert.equal(queries, { train: 350, test: 30 });
});

// little to train with: test topics are searched among test passages only
const FEW = scaledWorld(DEFAULT_WORLD, 0.1);
const testWorld = (seed: number) =>
  generateWorld({
    ...DEFAULT_WORLD,
    seed,
    counts: { ...DEFAULT_WORLD.counts, train: FEW.counts.train },
    queries: { ...DEFAULT_WORLD.queries, train: FEW.queries.train },
  });

for (const seed of [DEFAULT_WORLD.seed, 1, 2]) {
  test(`seed ${seed}: BM25 leaves room above, the teacher is much better and not perfect`, () => {
    const { bm25, teacher, qrels } = (seed === DEFAULT_WORLD.seed ? world : testWorld(seed)).test;
    const [first, best] = [bm25, teacher].map((run) => evaluate(run, qrels, ['nDCG@10']).mean['nDCG@10']!);
    assert.ok(first! >= 0.3 && first! <= 0.5, `BM25 ${first}`);
    assert.ok(best! >= 0.8 && best! <= 0.92, `teacher ${best}`);
  });
}

test('30 passages per query, the teacher ranks those of the first stage', () => {
  for (const { queries, bm25, teacher } of [world.train, world.test]) {
    assert.is(bm25.length, 30 * queries.length);
    const pairs = (run: typeof bm25) => run.map(({ queryId, docId }) => `${queryId} ${docId}`).sort();
    assert.equal(pairs(teacher), pairs(bm25));
  }
});

test('the first stage finds most of what is relevant: 9 in 10 of the gain that an ideal re-ranker could reach', () => {
  const { bm25, qrels } = world.test;
  const grades = new Map(qrels.map(({ queryId, docId, relevance }) => [`${queryId} ${docId}`, relevance]));
  const ideal = bm25.map((entry) => ({ ...entry, score: grades.get(`${entry.queryId} ${entry.docId}`) ?? 0 }));
  const { mean } = evaluate(ideal, qrels, ['nDCG@10']);
  assert.ok(mean['nDCG@10']! >= 0.9, `ideal ${mean['nDCG@10']}`);
});

test.run();
