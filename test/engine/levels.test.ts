import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadBinding } from '../../src/io/load-binding.js';
import { createNative, gradientOf, isSanitized, referenceModel } from '../support/engine.js';
import { environmentOf, LEVELS } from '../support/levels.js';
import { LOADER } from '../support/programs.js';
import { TOLERANCES, relativeDistance } from '../support/tolerances.js';

const test = suite('levels of instruction sets');

interface Answer {
  kernels: string;
  float32: number[];
  int16: number[];
  int8: number[];
  /** Of the sum of the pairs' scores, some more than others. */
  gradient: number[];
}

/** Scores the reference model in a process of its own, in which the CPU seems to have only that level. */
function scoreWith(level: string, env: Record<string, string> = {}): Answer {
  const { href } = new URL('../support/engine.ts', import.meta.url);
  const source = `
    const { createNative, gradientOf, referenceModel } = await import('${href}');
    const { loadBinding } = await import('${new URL('../../src/io/load-binding.ts', import.meta.url).href}');
    const reference = await referenceModel('mono-rank');
    const answer = { kernels: loadBinding().info().kernels };
    answer.gradient = [...(await gradientOf('mono-rank'))];
    for (const precision of ['float32', 'int16', 'int8']) {
      const model = await createNative(reference, precision);
      answer[precision] = [...(await model.score(reference.batch)).scores];
      await model.close();
    }
    console.log(JSON.stringify(answer));`;
  const { stdout, stderr, status, signal } = spawnSync(
    process.execPath,
    ['--import', LOADER, '--input-type=module', '-e', source],
    {
      encoding: 'utf8',
      env: {
        ...environmentOf(level),
        ...env,
        RANK_DISTILLM_EMULATE_INT8: '1', // products of bytes at each level, by other instructions where it has none for them
      },
    },
  );
  assert.is(status, 0, `${String(signal)} ${stderr}`);
  return JSON.parse(stdout) as Answer;
}

const own = loadBinding().info().cpuFeatures;
const reference = await referenceModel('mono-rank');
const wanted = reference.pairs.map(({ score }) => score);
const spread = Math.max(...wanted) - Math.min(...wanted);
/** Levels that have instructions for products of bytes; the others take int16 for int8. */
const WITH_BYTES = ['avx512_vnni', 'avx512_bf16', 'amx', 'neon_dotprod', 'neon_bf16'];
let bytes: number[] | undefined;
/** At this CPU's best level, where test/train compares it with lightning-ir's. */
const gradient = await gradientOf('mono-rank');

for (const [level, features] of Object.entries(LEVELS)) {
  if (!features.every((feature) => own.includes(feature))) {
    console.log(`left out: ${level}, this CPU has no ${features.join(', ')}`);
    continue;
  }
  if (isSanitized && !['generic', 'avx2', loadBinding().info().kernels].includes(level)) {
    console.log(`left out: ${level}, which a build with sanitizers does not have`);
    continue;
  }
  const limits = level === 'generic' ? { ATEN_CPU_CAPABILITY: 'default', ONEDNN_MAX_CPU_ISA: 'SSE41' } : {};
  test(`${level}: float32, int16 and int8 score as the references do`, () => {
    const { kernels, float32, int16, int8, gradient: found } = scoreWith(level, limits);
    assert.is(kernels, level);
    const off = relativeDistance(found, gradient);
    assert.ok(off <= TOLERANCES.cpu.float32.gradient, `the gradient is off by ${off} of its norm`);
    const bounds = TOLERANCES.cpu;
    wanted.forEach((score, i) => {
      assert.ok(
        Math.abs(float32[i]! - score) <= bounds.float32.score,
        `float32, pair ${i}: ${float32[i]}, reference ${score}`,
      );
      assert.ok(
        Math.abs(int16[i]! - score) <= bounds.int16.score * spread,
        `int16, pair ${i}: ${int16[i]}, reference ${score}`,
      );
      assert.ok(
        Math.abs(int8[i]! - score) <= bounds.int8.score * spread,
        `int8, pair ${i}: ${int8[i]}, reference ${score}`,
      );
    });
    // Bytes sum alike everywhere; what lies between the products may be bf16 at the higher levels.
    bytes ??= int8;
    int8.forEach((score, i) =>
      assert.ok(Math.abs(score - bytes![i]!) <= bounds.int8.otherLevel * spread, `int8, pair ${i}`),
    );
  });
}

test('int8 is what runs where it is asked for and the CPU multiplies bytes', async () => {
  const model = await createNative(reference, 'int8');
  assert.is(model.precision, WITH_BYTES.includes(loadBinding().info().kernels) ? 'int8' : 'int16');
  const { scores, precision, opSeconds } = await model.score(reference.batch);
  assert.is(precision, model.precision);
  assert.ok(scores.some((score, i) => score !== wanted[i]));
  assert.ok(opSeconds.linear > 0 && opSeconds.attention > 0 && opSeconds.norm > 0 && opSeconds.embedding > 0);
  await model.close();
});

test.run();
