import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { transpile } from '../support/transpile.js';

const test = suite('losses of the user, from the compiled package');
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

// What Node.js of some version does not run by itself: types, an enum, a parameter property, an import without types.
const LOSS = `
  import type { ScoreMatrix } from 'rank-distillm';
  import { half } from './half.ts';
  enum Way { Up = 3 }
  export class Mine {
    constructor(private readonly initArgs: { by: number }) {}
    compute(scores: ScoreMatrix) {
      return { value: half(this.initArgs.by) + Way.Up, gradient: scores.values.map(() => 1) };
    }
  }`;

const SCRIPT = `
  import { loadUserLoss } from './compiled/loss/load-user-loss.js';
  for (const classPath of process.argv.slice(2)) {
    try {
      const loss = await loadUserLoss(classPath, { by: 4 });
      const scores = { queries: 1, docs: 2, values: new Float64Array(2) };
      const { value, gradient } = loss.compute(scores, scores);
      console.log(loss.name, value, gradient.join());
    } catch (error) {
      console.log(error.name, error.code, error.message);
    }
  }`;

let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'user-loss-'));
  for (const part of ['loss', 'config', 'config/schema', 'io', '.']) await transpile(part, join(folder, 'compiled'));
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const files = { 'mine.ts': LOSS, 'half.ts': 'export const half = (x: number): number => x / 2;', 'load.mjs': SCRIPT };
  const more = {
    'broken.ts': 'export class Broken {\n  compute( {\n}\n',
    'compiled/package.json': '{"type":"module"}',
  };
  for (const [name, text] of Object.entries({ ...files, ...more })) await writeFile(join(folder, name), text);
});
test.after(() => rm(folder, { recursive: true }));

/** A process without tsx: what a user has. */
async function load(...classPaths: string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, ['load.mjs', ...classPaths], { cwd: folder });
  return stdout.trimEnd().split('\n');
}

for (const type of ['module', 'commonjs']) {
  test(`a TypeScript module in a folder of type ${type}`, async () => {
    await writeFile(join(folder, 'package.json'), JSON.stringify({ type }));
    assert.equal(await load('./mine.ts:Mine'), ['Mine 5 1,1']);
  });
}

test('the example', async () => {
  assert.equal(await load(`${join(ROOT, 'configs/examples/my-loss.ts')}:SquaredError`), ['SquaredError 0 0,0']);
});

test('a module with a syntax error is refused with file and line', async () => {
  const [line] = await load('./broken.ts:Broken');
  assert.match(
    line!,
    /^RankDistillmError bad_input \.\/broken\.ts:Broken: the module cannot be loaded: .*broken\.ts:\d/,
  );
});

test.run();
