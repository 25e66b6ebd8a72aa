import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kendallTau } from '../../scripts/bench/ranking.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import type { LoadOptions } from '../../src/engine/cross-encoder-options.js';
import { assertClose, expectedPairs, modelFolder, readScoredPairs, type ScoredPair } from '../support/models.js';
import { useDevices } from '../support/devices.js';
import { sharedPath } from '../support/shared.js';
import { OTHER_BLOCKS, TOLERANCES } from '../support/tolerances.js';

const test = suite('scoring on a device');
useDevices();

async function scoresOf(folder: string, pairs: readonly ScoredPair[], options: LoadOptions): Promise<Float32Array> {
  await using model = await CrossEncoder.load(folder, { device: 'cuda', ...options });
  assert.is(model.device, 'cuda:0');
  return model.score(pairs);
}

const pairsPath = sharedPath('golden/pairs.jsonl');
const folder = sharedPath('golden/tiny-monoelectra');
if (pairsPath && folder) {
  const pairs = readScoredPairs(pairsPath);
  const expected = pairs.map(({ score }) => score);
  const spread = Math.max(...expected) - Math.min(...expected);

  test('float32: golden scores within 1e-4', async () => {
    assertClose(await scoresOf(folder, pairs, {}), pairs, TOLERANCES.cuda.float32.score);
  });

  for (const precision of ['bf16-mixed', 'bf16-true']) {
    test(`${precision}: golden scores within lightning-ir's own error, ranked as in float32`, async () => {
      const scores = await scoresOf(folder, pairs, { precision });
      assertClose(scores, pairs, TOLERANCES.cuda.bfloat16.score * spread);
      const tau = kendallTau(expected, scores)!;
      assert.ok(tau >= 0.97, `Kendall's tau is ${tau}`);
    });
  }

  test('scores do not depend on which pairs share a block', async () => {
    const alone = await scoresOf(folder, pairs.slice(0, 20), {});
    const among = await scoresOf(folder, pairs, {});
    alone.forEach((score, i) => assert.ok(Math.abs(score - among[i]!) <= OTHER_BLOCKS.score, `pair ${i}`));
  });
}

test('time is measured by kind of operation where it is asked for', async () => {
  for (const timed of [true, false]) {
    await using model = await CrossEncoder.load(modelFolder(), { device: 'cuda', timed });
    for await (const { result } of model.scoreWindows(await expectedPairs())) {
      const { rest, ...kinds } = result.opSeconds;
      assert.ok(Object.values(kinds).every((seconds) => (timed ? seconds > 0 : seconds === 0)));
      const sum = Object.values(kinds).reduce((a, b) => a + b);
      if (timed) assert.ok(Math.abs(sum + rest - result.seconds) <= 0.1 * result.seconds, `${sum} + ${rest}`);
    }
  }
});

test('what a device does not do is refused in words', async () => {
  const load = (options: LoadOptions): Promise<unknown> => CrossEncoder.load(modelFolder(), options);
  const bad: [LoadOptions, RegExp][] = [
    [{ device: 'cuda', precision: 'int8' }, /precision int8 runs on CPUs, not on cuda:0/],
    [{ device: 'cuda:7' }, /device: cuda:7: there is no such GPU; found: cuda:0/],
    [{ device: 'gpu' }, /device: expected auto, cpu, cuda or cuda:N, received "gpu"/],
    [{ device: 'cuda', memoryFraction: 0 }, /options\.memoryFraction: expected a number above 0 and of at most 1/],
  ];
  for (const [options, message] of bad) {
    const error = await load(options).then(
      () => assert.unreachable(String(message)),
      (reason: unknown) => reason as Error,
    );
    assert.match(error!.message, message);
  }
});

test('auto takes the device, cpu does not', async () => {
  const pairs = await expectedPairs();
  await using any = await CrossEncoder.load(modelFolder());
  await using host = await CrossEncoder.load(modelFolder(), { device: 'cpu' });
  assert.equal([any.device, host.device], ['cuda:0', 'cpu']);
  const [found, wanted] = [await any.score(pairs), await host.score(pairs)];
  found.forEach((score, i) => assert.ok(Math.abs(score - wanted[i]!) <= TOLERANCES.cuda.float32.score, `pair ${i}`));
});

test.run();
