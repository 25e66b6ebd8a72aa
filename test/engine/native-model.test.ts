import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ScoreResult } from '../../binding.js';
import { loadBinding } from '../../src/io/load-binding.js';
import { createNative, isSanitized, pack, referenceModel, type ReferenceModel } from '../support/engine.js';
import { TOLERANCES } from '../support/tolerances.js';

const test = suite('native model');
const binding = loadBinding();

/** Rows that the linear layers have to multiply when not one is padding. */
function rowsOf({ checkpoint, batch }: ReferenceModel): number {
  const { encoder, head } = checkpoint;
  const tokens = batch.inputIds.length;
  const sequences = batch.cuSeqlens.length - 1;
  const firstRows = head.pooling === 'first';
  const inputs = encoder.embeddingSize === encoder.hiddenSize ? 0 : tokens;
  const fullLayers = firstRows ? encoder.layers - 1 : encoder.layers;
  // QKV, attention output, up, down; in the last layer of a first-row model K and V for all, the rest for one row each
  const layers = 4 * tokens * fullLayers + (firstRows ? tokens + 4 * sequences : 0);
  const dense = head.dense !== undefined;
  return inputs + layers + (dense ? 2 : 1) * sequences;
}

function assertClose(result: ScoreResult, reference: ReferenceModel, tolerance: number): void {
  reference.pairs.forEach((pair, i) => {
    const score = result.scores[i]!;
    assert.ok(Math.abs(score - pair.score) <= tolerance, `pair ${i}: ${score}, reference ${pair.score}`);
  });
}

for (const name of ['mono-rank', 'mono-mean', 'mono-bert-pool', 'bert-classification', 'electra-classification']) {
  test(`${name}: multiplies a row per token and no row of padding`, async () => {
    const reference = await referenceModel(name);
    const model = await createNative(reference);
    const result = await model.score(reference.batch);
    assertClose(result, reference, TOLERANCES.cpu.float32.score);
    assert.is(result.linearRows, rowsOf(reference));
    await model.close();
  });
}

test('the number of threads does not change a score by more than a rounding', async () => {
  const reference = await referenceModel('mono-rank');
  for (const threads of [1, 2, 5]) {
    const model = await createNative(reference, 'float32', threads);
    assert.is(binding.info().threads, threads);
    assertClose(await model.score(reference.batch), reference, TOLERANCES.cpu.float32.score);
    await model.close();
  }
});

test('a pair scores the same alone and among others', async () => {
  const reference = await referenceModel('mono-rank');
  for (const precision of ['float32', 'bfloat16', 'int16', 'int8'] as const) {
    process.env['RANK_DISTILLM_EMULATE_BF16'] = precision === 'bfloat16' ? '1' : '0';
    process.env['RANK_DISTILLM_EMULATE_INT8'] = precision === 'int8' ? '1' : '0';
    const model = await createNative(reference, precision);
    assert.is(model.precision, precision);
    const together = await model.score(reference.batch);
    const beside = await Promise.all(reference.pairs.map((pair) => model.score(pack([pair])))); // in shared blocks
    for (const [i, pair] of reference.pairs.entries()) {
      const alone = (await model.score(pack([pair]))).scores[0]!;
      // the same sums in the same order: the same bits
      assert.is(alone, together.scores[i], `${precision}, pair ${i}`);
      assert.is(alone, beside[i]!.scores[0], `${precision}, pair ${i} beside others`);
    }
    await model.close();
  }
  delete process.env['RANK_DISTILLM_EMULATE_BF16'];
  delete process.env['RANK_DISTILLM_EMULATE_INT8'];
});

test('two models and two jobs that share a cancel token end in order', async () => {
  const references = await Promise.all(['mono-rank', 'mono-mean'].map(referenceModel));
  const models = await Promise.all(references.map((reference) => createNative(reference)));
  const token = binding.createCancelToken();
  const jobs = [0, 1, 0, 1].map((i) => models[i]!.score(references[i]!.batch, token).then((result) => ({ i, result })));
  for (const { i, result } of await Promise.all(jobs))
    assertClose(result, references[i]!, TOLERANCES.cpu.float32.score);
  await Promise.all(models.map((model) => model.close()));
});

test('bad batches are refused before they are computed', async () => {
  const reference = await referenceModel('mono-rank');
  const { vocabSize, maxPositions } = reference.checkpoint.encoder;
  const model = await createNative(reference);
  const of = (ids: number[], types = ids.map(() => 0), offsets = [0, ids.length]) => ({
    inputIds: Int32Array.from(ids),
    tokenTypeIds: Uint8Array.from(types),
    cuSeqlens: Int32Array.from(offsets),
  });
  const bad: [ReturnType<typeof of>, RegExp][] = [
    [of([1, vocabSize]), /token id \d+ is outside/],
    [of([1, -1]), /token id -1 is outside/],
    [of([1, 2], [0, 9]), /token type 9 is outside/],
    [of([1, 2], [0]), /as long as inputIds/],
    [of([1, 2], [0, 0], [0, 1]), /end with the number of tokens/],
    [of([1, 2], [0, 0], [0, 0, 2]), /has 0 tokens/],
    [of([1, 2], [0, 0], [0, 3, 2]), /has -1 tokens|has 3 tokens/],
    [of([], [], []), /must start with 0/],
    [of(new Array<number>(maxPositions + 1).fill(1)), /the model takes 1 to/],
  ];
  for (const [batch, message] of bad) {
    try {
      await model.score(batch);
      assert.unreachable(String(message));
    } catch (error) {
      assert.is((error as { code?: string }).code, 'bad_input');
      assert.match((error as Error).message, message);
    }
  }
  assert.throws(() => model.score({ ...of([1]), inputIds: [1] } as never), /inputIds: expected an Int32Array/);
  assert.is((await model.score(of([], [], [0]))).scores.length, 0);
  await model.close();
});

test('tensors that are missing, misshaped or past their file are errors by name', async () => {
  const { checkpoint } = await referenceModel('mono-rank');
  const { encoder, head, tensors } = checkpoint;
  const create = (changed: typeof tensors) =>
    binding.createModel({ encoder, head, precision: 'float32', threads: 0 }, changed);
  const name = 'encoder.layer.1.output.dense.weight';
  const change = (fields: object) =>
    tensors.map((tensor) => (tensor.name === name ? { ...tensor, ...fields } : tensor));
  const region = tensors.find((tensor) => tensor.name === name)!.data as {
    file: string;
    offset: number;
    bytes: number;
  };
  const cases: [typeof tensors, RegExp][] = [
    [tensors.filter((tensor) => tensor.name !== name), /output\.dense\.weight is missing/],
    [change({ shape: [1, 2] }), /output\.dense\.weight has (shape|\d+ bytes)/],
    [change({ data: { ...region, offset: 1e9 } }), /ends before the tensor/],
    [change({ data: { ...region, file: '/no/such/file' } }), /no\/such\/file: cannot read/],
  ];
  for (const [changed, message] of cases) {
    const error = await create(changed).then(
      () => assert.unreachable(String(message)),
      (reason: unknown) => reason as Error,
    );
    assert.match(error!.message, message);
  }
});

if (isSanitized) console.log('left out: memory that cannot be had ends a process with sanitizers');
else {
  test('a C++ error in the midst of a call is a JavaScript error', async () => {
    const { encoder, head } = (await referenceModel('mono-rank')).checkpoint;
    const tensors = new Array<never>(2 ** 32 - 1); // more than fit into memory
    assert.throws(() => void binding.createModel({ encoder, head, precision: 'float32', threads: 0 }, tensors));
  });
}

test('memory of weights is given back', async () => {
  const before = binding.info().weightBytes;
  const model = await createNative(await referenceModel('mono-rank'), 'bfloat16');
  assert.ok(model.weightBytes > 0);
  assert.is(binding.info().weightBytes, before + model.weightBytes);
  await model.close();
  assert.is(binding.info().weightBytes, before);
});

test.run();
