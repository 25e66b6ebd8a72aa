import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseArithmetic, nameOf, type ArithmeticChoice } from '../../src/engine/arithmetic.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { loadBinding } from '../../src/io/load-binding.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';
import { expectedPairs, modelFolder } from '../support/models.js';
import { HANGS_MS, LOADER } from '../support/programs.js';
import { TOLERANCES } from '../support/tolerances.js';

const test = suite('the arithmetic of a precision');

const folder = modelFolder('mono-rank');
const VARIABLE = 'RANK_DISTILLM_ARITHMETIC';
const given = process.env[VARIABLE];
test.after.each(() => {
  process.env[VARIABLE] = given ?? '';
});

const even = { hiddenSize: 32, heads: 4 };
const odd = { hiddenSize: 33, heads: 3 };

async function choice(
  asked: 'float32' | 'bfloat16' | 'int8',
  encoder = even,
  work: 'scoring' | 'training' = 'scoring',
): Promise<string> {
  return (await chooseArithmetic(loadBinding(), { device: 'cpu', asked, encoder, work })).products;
}

const { bf16, int8 } = loadBinding().info();

test('the variable fixes it, within what is exact enough and what the engine has', async () => {
  process.env[VARIABLE] = 'flags';
  assert.is(await choice('float32'), 'float32');
  assert.is(await choice('bfloat16'), bf16 ? 'bfloat16' : 'int16');
  assert.is(await choice('bfloat16', odd), 'int16');
  assert.is(await choice('int8'), int8 ? 'int8' : bf16 ? 'bfloat16' : 'int16');
  assert.is(await choice('bfloat16', even, 'training'), bf16 ? 'bfloat16' : 'float32');
  process.env[VARIABLE] = 'bf16-mixed=float32,int8=int16';
  assert.is(await choice('bfloat16'), 'float32');
  assert.is(await choice('int8'), 'int16');
  process.env[VARIABLE] = 'int8=int16'; // what is not named follows from the flags
  assert.is(await choice('bfloat16'), bf16 ? 'bfloat16' : 'int16');
  process.env[VARIABLE] = 'bf16-mixed=int8'; // is not as exact
  assert.is(await choice('bfloat16'), bf16 ? 'bfloat16' : 'int16');
  const named = async (asked: 'bfloat16' | 'int8', encoder = even): Promise<string> =>
    nameOf(await chooseArithmetic(loadBinding(), { device: 'cpu', asked, encoder, work: 'scoring' }));
  const around = bf16 ? 'bfloat16' : 'float32';
  process.env[VARIABLE] = 'bf16-mixed=int16,int8=int16/float32/bfloat16';
  assert.is(await named('bfloat16'), 'int16/float32/float32');
  assert.is(await named('int8'), bf16 ? 'int16/float32/bfloat16' : `${int8 ? 'int8' : 'int16'}/float32/float32`);
  process.env[VARIABLE] = 'flags';
  if (int8) assert.is(await named('int8'), `int8/${around}/${around}`);
  if (int8) assert.is(await named('int8', odd), 'int8/float32/float32'); // bf16 takes heads of an even size
  for (const wrong of ['fast', 'int8=int4', '32-true=int8', 'int8=int8/float32', 'int8=int8/int16/float32']) {
    process.env[VARIABLE] = wrong;
    await refuses(() => choice('int8'), 'bad_input', VARIABLE, wrong);
  }
});

/** Every machine computes bf16, slowly where it has no instructions for it. */
const EMULATED = { RANK_DISTILLM_EMULATE_BF16: '1' };

/** Loads the model in a process that measures. */
async function inProcess(cache: string, body: string, env: Record<string, string> = {}): Promise<string> {
  const { href } = new URL('../../src/index.ts', import.meta.url);
  const source = `import { CrossEncoder, TrainableModel } from '${href}';
    const folder = ${JSON.stringify(folder)};
    ${body}`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', LOADER, '--input-type=module', '-e', source],
    {
      env: { ...process.env, XDG_CACHE_HOME: cache, [VARIABLE]: 'measured', ...env },
      timeout: HANGS_MS,
    },
  );
  return stdout;
}

const SHOW = `
  const model = await CrossEncoder.load(folder, { precision: 'bf16-mixed' });
  console.log(JSON.stringify(model.arithmetic));
  await model.close();`;

interface Kept {
  tokensPerCpuSecond: Record<string, number>;
}

/** The file of what was measured, and its content. */
function kept(cache: string, work: string): { path: string; content: Kept } {
  const at = join(cache, 'rank-distillm/arithmetic');
  const [name, ...more] = readdirSync(at).filter((file) => file.startsWith(work));
  assert.equal(more, []);
  const path = join(at, name!);
  return { path, content: JSON.parse(readFileSync(path, 'utf8')) as Kept };
}

test('processes that measure at the same time agree, and later ones follow what is kept', async () => {
  const cache = temporaryFolder();
  const answers = await Promise.all([1, 2, 3].map(() => inProcess(cache, SHOW)));
  assert.is(new Set(answers).size, 1, answers.join(''));
  const { path, content } = kept(cache, 'scoring');
  const floats = bf16 ? ['float32', 'bfloat16'] : ['float32'];
  const around = (products: string, outputs = floats): string[] =>
    floats.flatMap((attention) => outputs.map((between) => `${products}/${attention}/${between}`));
  const names = [
    'float32',
    ...around('int16'),
    ...(bf16 ? around('bfloat16', ['bfloat16']) : []),
    ...(int8 ? around('int8') : []),
  ];
  // beside each on AMX: the same by vectors
  const measured = Object.keys(content.tokensPerCpuSecond).filter((name) => !name.endsWith('/vectors'));
  assert.equal(measured, names);
  const write = (changes: Record<string, number>): void => {
    const all = Object.fromEntries(names.map((name) => [name, 100]));
    writeFileSync(path, JSON.stringify({ ...content, tokensPerCpuSecond: { ...all, ...changes } }));
  };
  for (const [changes, products] of [
    [{ float32: 200 }, 'float32'],
    [{ 'int16/float32/float32': 200 }, 'int16/float32/float32'],
    [{ 'int16/float32/float32': 104 }, 'float32'], // about as fast, and finer
    [{ 'int8/float32/float32': 900 }, 'float32'], // not as exact
    ...(bf16
      ? ([
          [{ 'int16/bfloat16/float32': 200 }, 'int16/bfloat16/float32'],
          [{ 'int16/float32/bfloat16': 200, 'int16/bfloat16/bfloat16': 205 }, 'int16/float32/bfloat16'],
          [{ 'bfloat16/float32/bfloat16': 200 }, 'bfloat16/float32/bfloat16'],
        ] as const)
      : []),
  ] as const) {
    write(changes);
    const { why, ...found } = JSON.parse(await inProcess(cache, SHOW)) as ArithmeticChoice;
    assert.is(nameOf(found), products);
    assert.match(why, /^measured on \d{4}-\d\d-\d\d, shares of the fastest: float32 /);
  }
  writeFileSync(path, 'damaged');
  await inProcess(cache, SHOW);
  assert.equal(Object.keys(kept(cache, 'scoring').content.tokensPerCpuSecond), Object.keys(content.tokensPerCpuSecond));
});

test('training falls back to float32 where bf16 is slower, and says so in one line', async () => {
  const cache = temporaryFolder();
  const body = `
    const warnings = [];
    const model = await TrainableModel.load(folder, { precision: 'bf16-mixed', onWarning: (text) => warnings.push(text) });
    console.log(JSON.stringify([model.native.precision, warnings]));
    await model.close();`;
  const answer = async () => JSON.parse(await inProcess(cache, body, EMULATED)) as [string, string[]];
  await answer();
  const { path, content } = kept(cache, 'training');
  assert.equal(Object.keys(content.tokensPerCpuSecond), ['float32', 'bfloat16/bfloat16/bfloat16']);
  for (const [float32, precision, lines] of [
    [200, 'float32', 1],
    [50, 'bfloat16', 0],
  ] as const) {
    writeFileSync(
      path,
      JSON.stringify({ ...content, tokensPerCpuSecond: { float32, 'bfloat16/bfloat16/bfloat16': 100 } }),
    );
    const [found, warnings] = await answer();
    assert.is(found, precision);
    assert.is(
      warnings.filter((text) => /is trained in float32, which is no slower than bf16/.test(text)).length,
      lines,
    );
  }
});

test('where nothing can be kept, the flags choose', async () => {
  const answer = await inProcess('/proc/nowhere', SHOW);
  assert.match(answer, /chosen by the flags of the CPU, since the cache folder cannot be written/);
});

test('a model says what it computes in, and computes in that; its scores are close, and the same alone', async () => {
  const pairs = await expectedPairs('mono-rank');
  const wanted = pairs.map(({ score }) => score);
  const spread = Math.max(...wanted) - Math.min(...wanted);
  const scores = new Set<string>();
  const kinds = ['float32', 'int16/float32/float32', ...(int8 ? ['int8/float32/float32'] : [])];
  if (bf16) kinds.push('int16/bfloat16/float32', 'int16/float32/bfloat16', 'int16/bfloat16/bfloat16');
  if (bf16) kinds.push('bfloat16/float32/bfloat16', 'bfloat16/bfloat16/bfloat16');
  if (bf16 && int8) kinds.push('int8/bfloat16/float32', 'int8/float32/bfloat16', 'int8/bfloat16/bfloat16');
  for (const kind of kinds) {
    process.env[VARIABLE] = `int8=${kind}`;
    await using model = await CrossEncoder.load(folder, { precision: 'int8' });
    const { arithmetic } = model;
    assert.equal([model.precision, nameOf(arithmetic)], [arithmetic.products, kind]);
    assert.is(arithmetic.why, `${VARIABLE} is int8=${kind}`);
    const found = await model.score(pairs);
    const { float32, bfloat16, int8: bytes, int16 } = TOLERANCES.cpu;
    const share = kind.includes('bfloat16') ? bfloat16.scoreOfMixed : int16.score;
    const most = kind === 'float32' ? float32.score : spread * (arithmetic.products === 'int8' ? bytes.score : share);
    wanted.forEach((score, i) =>
      assert.ok(Math.abs(found[i]! - score) <= most, `${kind}, pair ${i}: ${found[i]}, reference ${score}`),
    );
    for (const i of [0, 7, pairs.length - 1]) assert.is((await model.score([pairs[i]!]))[0], found[i], kind);
    scores.add(String(found));
  }
  assert.is(scores.size, kinds.length);
});

test.run();
