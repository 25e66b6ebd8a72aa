import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ComputePrecision } from '../../binding.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { bindingOf } from '../../src/io/load-binding.js';
import { NO_DROPOUT } from '../../src/engine/engine-options.js';
import type { Checkpoint } from '../../src/models/checkpoint.js';
import { canonicalName } from '../../src/models/families/family.js';
import { loadCheckpoint, type LoadOptions } from '../../src/models/load-checkpoint.js';
import { readSafetensors } from '../../src/models/safetensors.js';
import { saveModel } from '../../src/models/save-model.js';
import { createPairTokenizer } from '../../src/tokenize/pair-tokenizer.js';
import { cachedPass } from '../../src/train/gradient-cache.js';
import { useDevices } from '../support/devices.js';
import { pack } from '../support/engine.js';
import { temporaryFolder } from '../support/files.js';
import { assertClose, assertSameIds, type ScoredPair } from '../support/models.js';
import { float32Of, tensorValues, valuesOf } from '../support/safetensors.js';

/** What scripts/references/models.py wrote beside each model. */
interface Expected {
  source: string;
  options: Pick<LoadOptions, 'label'>;
  pairs: ScoredPair[];
}

const ROOT = fileURLToPath(new URL('families/', import.meta.url));
const devices = useDevices();
/** Of the norm of a tensor's gradient. */
const GRADIENT_TOLERANCE = 1e-5;
/** Zero in exact arithmetic, since softmax does not see a constant added to all keys: of the norm of all gradients. */
const ZERO_GRADIENT = /(key|k_lin)\.bias$/;
const ROUNDING_NOISE = 1e-6;
/** Of the scores' spread; products of 32 numbers average little of what they round. */
const PRECISIONS = { int16: 0.01, bfloat16: 0.1, int8: 0.2 } as const;

const test = suite('encoder families against transformers');
const folders = readdirSync(ROOT);

test('there is a reference for each family but BERT and ELECTRA, which have theirs', () => {
  assert.equal(folders.sort(), ['distilbert', 'mono-distilbert', 'mono-roberta', 'roberta', 'xlm-roberta']);
});

const ADAMW = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  scale: 1,
  clipValue: 0,
};

const encodedOf = ({ input_ids, token_type_ids }: ScoredPair) => ({
  inputIds: Int32Array.from(input_ids),
  tokenTypeIds: Uint8Array.from(token_type_ids),
});
const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const norm = (values: ArrayLike<number>) => Math.hypot(...Array.from(values));

/** Scores of the ids in the file, without a tokenizer. */
async function scoresOf(
  { encoder, head, tensors }: Checkpoint,
  pairs: ScoredPair[],
  precision: ComputePrecision,
  device: string,
): Promise<Float32Array> {
  const native = await bindingOf(device).createModel({ encoder, head, precision, device, threads: 0 }, tensors);
  const { scores } = await native.score(pack(pairs));
  await native.close();
  return scores;
}

/** All gradients of Σ (1 + i mod 3) · score of pair i, by canonical name. */
async function gradientsOf({ encoder, head, training, tensors }: Checkpoint, pairs: ScoredPair[], device: string) {
  const native = await bindingOf(device).createTrainer(
    {
      encoder,
      head,
      device,
      precision: 'float32',
      threads: 0,
      dropout: NO_DROPOUT,
      paddingId: training.padTokenId ?? -1,
      seed: 1,
    },
    tensors,
  );
  const encoded = pairs.map(encodedOf);
  const weights = (scores: Float32Array): Float32Array => scores.map((_, i) => 1 + (i % 3));
  await cachedPass(native, encoded, weights, { step: 0, budget: { tokens: 1e9, partTokens: native.tokensPerPart } });
  const gradients = new Map<string, Float32Array>();
  for (const { name, shape, offset } of native.parameters) {
    const size = shape.reduce((product, length) => product * length, 1);
    gradients.set(name, await native.read('gradients', offset, size));
  }
  await native.close();
  return gradients;
}

for (const name of folders) {
  const folder = join(ROOT, name);
  const { source, options, pairs } = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Expected;

  test(`${name}: token ids of ${source}`, async () => {
    const checkpoint = await loadCheckpoint(folder, options);
    assert.equal(checkpoint.warnings, []);
    const tokenizer = await createPairTokenizer(checkpoint);
    assertSameIds(await tokenizer.encodePairs(pairs), pairs);
  });

  for (const device of devices) {
    test(`${name}: scores of ${source} on ${device}`, async () => {
      assertClose(await scoresOf(await loadCheckpoint(folder, options), pairs, 'float32', device), pairs, 1e-4);
    });

    test(`${name}: gradients of ${source} on ${device}`, async () => {
      const checkpoint = await loadCheckpoint(folder, options);
      const gradients = await gradientsOf(checkpoint, pairs, device);
      const expected = await readSafetensors(join(folder, 'gradients.safetensors'));
      assert.is(expected.size, gradients.size);
      const all = norm([...gradients.values()].map(norm));
      for (const [fileName, tensor] of expected) {
        const values = valuesOf(tensor);
        const found = gradients.get(canonicalName(fileName, checkpoint.family))!;
        const off = norm(values.map((value, i) => value - found[i]!));
        const bound = ZERO_GRADIENT.test(fileName) ? ROUNDING_NOISE * all : GRADIENT_TOLERANCE * norm(values);
        assert.ok(off <= bound, `${fileName}: off by ${off} of ${norm(values)}`);
      }
    });
  }

  for (const [precision, share] of Object.entries(PRECISIONS) as [ComputePrecision, number][]) {
    test(`${name}: scores in ${precision} are near those in float32`, async () => {
      const scores = pairs.map(({ score }) => score);
      const found = await scoresOf(await loadCheckpoint(folder, options), pairs, precision, 'cpu');
      assertClose(found, pairs, share * (Math.max(...scores) - Math.min(...scores)));
    });
  }

  test(`${name}: saved and loaded again, weights, names and settings are the same`, async () => {
    const checkpoint = await loadCheckpoint(folder, options);
    const target = join(temporaryFolder(), 'saved');
    mkdirSync(target);
    await saveModel(target, { source: checkpoint, tensors: tensorValues(checkpoint.tensors) });
    const again = await loadCheckpoint(target, options);
    const shown = ({ tensors, folder: _, name: __, ...rest }: Checkpoint) => ({
      ...rest,
      tensors: new Map(tensors.map((tensor) => [tensor.name, float32Of(tensor)])),
    });
    assert.equal(shown(again), shown(checkpoint));
    const names = async (of: string) => [...(await readSafetensors(join(of, 'model.safetensors'))).keys()].sort();
    assert.equal(await names(target), await names(folder));
    const config = (of: string) => JSON.parse(readFileSync(join(of, 'config.json'), 'utf8')) as object;
    assert.equal(config(target), config(folder));
  });

  test(`${name}: a step of training is in what TrainableModel saves`, async () => {
    const target = join(temporaryFolder(), 'trained');
    await using model = await TrainableModel.load(folder, { dropout: false, ...options });
    const encoded = pairs.map(encodedOf);
    const budget = { tokens: 1e9, partTokens: model.native.tokensPerPart };
    const pass = await cachedPass(model.native, encoded, (scores) => scores.map(() => -1), { step: 0, budget });
    await model.native.step({ ...ADAMW, step: 1 });
    const { scores } = await model.native.score(pack(pairs));
    assert.ok(mean(scores) > mean(pass.scores) + 0.01, 'scores rise where their sum is to rise');
    await model.save(target);
    await using saved = await CrossEncoder.load(target, options);
    const expected = pairs.map((pair, i) => ({ ...pair, score: scores[i]! }));
    assertClose(await saved.score(pairs), expected, 1e-4);
  });
}

test.run();
