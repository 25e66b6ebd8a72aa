import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readSafetensors } from '../../src/models/safetensors.js';
import type { TensorValues } from '../../src/models/raw-tensor.js';
import { writeSafetensors } from '../../src/models/safetensors.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';
import { REFERENCES } from '../support/models.js';
import { valuesOf } from '../support/safetensors.js';

const test = suite('writing safetensors');

function inParts(name: string, shape: readonly number[], values: Float32Array, size: number): TensorValues {
  return {
    name,
    shape,
    async *parts() {
      for (let start = 0; start < values.length; start += size) yield values.subarray(start, start + size);
    },
  };
}

for (const model of ['mono-rank', 'bert-classification']) {
  for (const size of [97, 100_000]) {
    test(`${model} in parts of ${size} values is byte for byte what the reference implementation wrote`, async () => {
      const original = join(REFERENCES, model, 'model.safetensors');
      const tensors = [...(await readSafetensors(original))]
        .sort(([, a], [, b]) => a.data.offset - b.data.offset)
        .map(([name, tensor]) => inParts(name, tensor.shape, Float32Array.from(valuesOf(tensor)), size));
      const folder = temporaryFolder();
      await writeSafetensors(join(folder, 'model.safetensors'), tensors);
      assert.equal(readdirSync(folder), ['model.safetensors']);
      assert.ok(readFileSync(join(folder, 'model.safetensors')).equals(readFileSync(original)));
    });
  }
}

test('every bit pattern is kept: signed zero, subnormal, infinite and not a number', async () => {
  const bits = Uint32Array.of(0x80000000, 1, 0x7f800000, 0xff800000, 0x7fc01234, 0x3f800000);
  const path = join(temporaryFolder(), 'x.safetensors');
  await writeSafetensors(path, [inParts('x', [2, 3], new Float32Array(bits.buffer), 4)]);
  const { data } = (await readSafetensors(path)).get('x')!;
  assert.equal([...readFileSync(path).subarray(data.offset)], [...new Uint8Array(bits.buffer)]);
});

test('empty tensors, tensors without dimensions and no tensors at all', async () => {
  const path = join(temporaryFolder(), 'x.safetensors');
  await writeSafetensors(path, [
    inParts('none', [0, 3], new Float32Array(0), 1),
    inParts('one', [], Float32Array.of(5), 1),
  ]);
  const tensors = await readSafetensors(path);
  assert.equal(tensors.get('none')!.shape, [0, 3]);
  assert.equal(valuesOf(tensors.get('one')!), [5]);
  await writeSafetensors(path, []);
  assert.is((await readSafetensors(path)).size, 0);
});

test('values that do not fill the shape are refused by name, and what stood there stays', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'x.safetensors');
  await writeSafetensors(path, [inParts('x', [1], Float32Array.of(1), 1)]);
  for (const [shape, message] of [
    [[2, 2], /tensor y: 3 values do not fill shape \[2, 2\]/],
    [[2], /tensor y: more than 2 values do not fill shape \[2\]/],
  ] as const) {
    const write = () => writeSafetensors(path, [inParts('y', shape, Float32Array.of(1, 2, 3), 2)]);
    await refuses(write, 'bad_input', message);
    assert.equal(readdirSync(folder), ['x.safetensors']);
    assert.equal(valuesOf((await readSafetensors(path)).get('x')!), [1]);
  }
});

test('a folder that is not there is an error, not made', async () => {
  const path = join(temporaryFolder(), 'missing', 'x.safetensors');
  await refuses(() => writeSafetensors(path, []), 'io', /x\.safetensors: cannot write: the folder does not exist/);
});

test.run();
