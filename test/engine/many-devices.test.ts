import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { HAS_TORCH, ON_GPU } from '../support/devices.js';
import { refuses } from '../support/errors.js';
import { expectedPairs, modelFolder } from '../support/models.js';

// two GPUs, played by the CPU
if (!ON_GPU) process.env['RANK_DISTILLM_EMULATE_CUDA'] = '1,2';

const test = suite('a model on several devices');

if (HAS_TORCH && !ON_GPU) {
  for (const devices of [2, ['cuda:1', 'cuda:0']]) {
    test(`devices ${JSON.stringify(devices)}: the scores of one, in the stream's order`, async () => {
      const some = await expectedPairs();
      const pairs: TextPair[] = Array.from({ length: 300 }, (_, i) => {
        const { query, document } = some[i % some.length]!;
        return { query: `${query} ${i}`, document };
      });
      await using alone = await CrossEncoder.load(modelFolder(), { device: 'cuda:0' });
      await using model = await CrossEncoder.load(modelFolder(), { devices });
      assert.equal(model.devices, devices === 2 ? ['cuda:0', 'cuda:1'] : ['cuda:1', 'cuda:0']);
      const [expected, found] = await Promise.all([alone.score(pairs), model.score(pairs)]);
      assert.equal([...found], [...expected]);
      const several = await Promise.all(Array.from({ length: 6 }, () => model.score(pairs)));
      for (const scores of several) assert.equal([...scores], [...expected]);
    });
  }
}

test('devices that are not there, or twice, are refused', async () => {
  await refuses(() => CrossEncoder.load(modelFolder(), { devices: 99 }), 'unsupported', 'there are no 99 GPUs');
  await refuses(() => CrossEncoder.load(modelFolder(), { devices: ['cpu', 'cpu'] }), 'bad_input', 'devices');
});

test('a list of the CPU alone is the CPU', async () => {
  await using model = await CrossEncoder.load(modelFolder(), { devices: ['cpu'] });
  assert.is(model.device, 'cpu');
  assert.equal(model.devices, ['cpu']);
});

test.run();
