import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import { loadUserLoss } from '../../src/loss/load-user-loss.js';
import { assertAllClose, centralDifferences, matrix } from '../support/losses.js';

const test = suite('losses of the user');
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const [SCORES, TARGETS] = [matrix([[1, 2, 4]]), matrix([[0, 2, 1]])];

const ZEROS = '{ value: 0, gradient: new Float64Array(s.values.length) }';

/** Modules by file name. */
const MODULES = {
  'typed.ts': `
    import type { Loss, LossResult, ScoreMatrix } from 'rank-distillm';
    import { twice } from './helper.ts';
    export class Typed implements Loss {
      readonly name: string = 'typed-loss';
      constructor(readonly args: { by?: number } = {}) {}
      compute(scores: ScoreMatrix): LossResult {
        return { value: twice(this.args.by!), gradient: scores.values.map(() => 1) };
      }
    }`,
  'helper.ts': 'export const twice = (value: number): number => 2 * value;',
  'plain.mjs': `export class Plain { compute(s) { return ${ZEROS}; } }`,
  'esm.js': `export class InCommonJs { compute(s) { return ${ZEROS}; } }`,
  'cjs.cjs': `module.exports.Old = class Old { compute(s) { return ${ZEROS}; } };`,
  'default.mjs': `export default class { compute(s) { return ${ZEROS}; } }`,
  'package.json': '{ "type": "commonjs" }',
  'wrong.mjs': `
    export const number = 3;
    export const arrow = () => 1;
    export const object = { compute() {} };
    export class Throws { constructor() { throw new Error('no gamma'); } }
    export class NoCompute { forward() {} }
    export class NumberName { name = 7; compute() {} }
    export const make = (result) => class { compute() { return result; } };
    export class Nothing extends make(undefined) {}
    export class Later extends make(Promise.resolve()) {}
    export class TextValue extends make({ value: '1', gradient: new Float64Array(3) }) {}
    export class ArrayGradient extends make({ value: 1, gradient: [1, 2, 3] }) {}
    export class NoGradient extends make({ value: 1 }) {}
    export class ShortGradient extends make({ value: 1, gradient: new Float64Array(2) }) {}
    export class NotFinite extends make({ value: NaN, gradient: new Float64Array([1, Infinity, 0]) }) {}
    export class ComputeThrows { compute() { throw new Error('out of ideas'); } }
    export class Meddles { compute(s, t) { s.values.fill(9); t.values.fill(9); return ${ZEROS}; } }`,
  'syntax.mjs': 'export class Broken {\n  compute( {\n}\n',
  'throws.mjs': 'throw new Error("not today"); export class Never {}',
  'imports.mjs': 'import { gone } from "./gone.mjs"; export class Never {}',
  'empty.mjs': 'export {};',
};

let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'user-loss-'));
  for (const [name, text] of Object.entries(MODULES)) await writeFile(join(folder, name), text);
});
test.after(() => rm(folder, { recursive: true }));

async function failure(classPath: string, initArgs = {}): Promise<RankDistillmError> {
  try {
    (await loadUserLoss(classPath, initArgs, folder)).compute(SCORES, TARGETS);
  } catch (error) {
    if (error instanceof RankDistillmError) return error;
    throw error;
  }
  throw new Error(`${classPath} was taken`);
}

test('configs/examples/my-loss.ts: value, gradient and init_args', async () => {
  const loss = await loadUserLoss('./configs/examples/my-loss.ts:SquaredError', { scale: 0.5 }, ROOT);
  assert.is(loss.name, 'SquaredError');
  const { value, gradient } = loss.compute(SCORES, TARGETS);
  assert.is(value, ((0.5 - 0) ** 2 + (1 - 2) ** 2 + (2 - 1) ** 2) / 3);
  const expected = centralDifferences(loss, SCORES, TARGETS);
  assertAllClose(gradient, expected, { relative: 1e-6, absolute: 1e-6 }, 'gradient');
});

test('TypeScript with types, a parameter property and an import of its own', async () => {
  const loss = await loadUserLoss('./typed.ts:Typed', { by: 4 }, folder);
  assert.is(loss.name, 'typed-loss');
  assert.equal(loss.compute(SCORES, TARGETS), { value: 8, gradient: new Float64Array([1, 1, 1]) });
});

for (const [classPath, name] of [
  ['./plain.mjs:Plain', 'Plain'],
  ['plain.mjs:Plain', 'Plain'],
  ['./esm.js:InCommonJs', 'InCommonJs'],
  ['./cjs.cjs:Old', 'Old'],
  ['./default.mjs:default', 'default'],
] as const) {
  test(`${classPath} is taken, and named after its class`, async () => {
    const loss = await loadUserLoss(classPath, {}, folder);
    assert.is(loss.name, name);
    assert.is(loss.compute(SCORES, TARGETS).value, 0);
  });
}

test('an absolute path is taken', async () => {
  const loss = await loadUserLoss(`${join(folder, 'plain.mjs')}:Plain`, {}, dirname(folder));
  assert.is(loss.name, 'Plain');
});

test('numbers that are not finite pass', async () => {
  const loss = await loadUserLoss('./wrong.mjs:NotFinite', {}, folder);
  assert.equal(loss.compute(SCORES, TARGETS), { value: NaN, gradient: new Float64Array([1, Infinity, 0]) });
});

test('it cannot change the scores and targets of others', async () => {
  (await loadUserLoss('./wrong.mjs:Meddles', {}, folder)).compute(SCORES, TARGETS);
  assert.equal([...SCORES.values, ...TARGETS.values], [1, 2, 4, 0, 2, 1]);
});

/** Class path, what the message says, what the hint says. */
const BAD: readonly (readonly [classPath: string, message: RegExp, hint: RegExp])[] = [
  ['./plain.mjs', /is not the class of a module/, /a colon and the exported class/],
  ['./loss.py:Loss', /is not the class of a module/, /\.ts or \.js/],
  ['./nowhere.ts:Loss', /there is no file \/.*\/nowhere\.ts/, /current working directory/],
  ['./plain.mjs:Plane', /the module exports no "Plane"/, /It exports: Plain\./],
  ['./plain.mjs:toString', /the module exports no "toString"/, /It exports: Plain\./],
  ['./empty.mjs:Loss', /the module exports no "Loss"/, /exports nothing: write "export class Loss"/],
  ['./wrong.mjs:number', /"number" is a number, not a class/, /Export a class/],
  ['./wrong.mjs:object', /"object" is an object, not a class/, /Export a class/],
  ['./wrong.mjs:arrow', /"arrow" is a function that new cannot call, not a class/, /Export a class/],
  ['./wrong.mjs:Throws', /its constructor failed: no gamma/, /init_args \{"gamma":1\}/],
  ['./wrong.mjs:NoCompute', /it has no method "compute"/, /compute\(scores, targets\) returns/],
  ['./wrong.mjs:NumberName', /its "name" is 7/, /Make it a non-empty string/],
  ['./wrong.mjs:Nothing', /compute returned undefined/, /returns \{ value: number, gradient: Float64Array \}/],
  ['./wrong.mjs:Later', /compute returned a promise/, /docs\/losses\.md/],
  ['./wrong.mjs:TextValue', /"value" is a string, not a number/, /docs\/losses\.md/],
  ['./wrong.mjs:ArrayGradient', /"gradient" is a value of Array, not a Float64Array/, /docs\/losses\.md/],
  ['./wrong.mjs:NoGradient', /"gradient" is undefined, not a Float64Array/, /docs\/losses\.md/],
  ['./wrong.mjs:ShortGradient', /"gradient" has 2 numbers, not 3 \(queries x documents: 1 x 3\)/, /docs\/losses\.md/],
  ['./wrong.mjs:ComputeThrows', /compute failed: out of ideas/, /stack/],
  ['./syntax.mjs:Broken', /cannot be loaded: .*syntax\.mjs:\d/, /^Fix \/.*\/syntax\.mjs/],
  ['./throws.mjs:Never', /cannot be loaded: not today/, /^Fix/],
  ['./imports.mjs:Never', /cannot be loaded: .*gone\.mjs/, /from its folder/],
];

for (const [classPath, message, hint] of BAD) {
  test(`${classPath} is refused`, async () => {
    const error = await failure(classPath, { gamma: 1 });
    assert.is(error.code, classPath.includes('nowhere') ? 'not_found' : 'bad_input');
    assert.match(error.message, message);
    assert.ok(error.message.includes(classPath), error.message);
    assert.match(error.hint ?? '', hint);
  });
}

test.run();
