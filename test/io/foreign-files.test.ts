import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRun } from '../../src/data/run-file.js';
import { readQrels } from '../../src/data/formats/qrels.js';
import { readQueries } from '../../src/data/formats/texts.js';
import { refuses } from '../support/errors.js';
import { inFolder, writeFiles } from '../support/files.js';

const test = suite('packed files other than gzip');

const RUN = Array.from({ length: 50 }, (_, i) => `q${i} Q0 d 1 1 x\n`).join('');
/** Commands that pack x.run, each of which may be missing on a machine. */
const PACKED: [name: string, word: string, command: string[]][] = [
  ['x.run.xz', 'xz', ['xz', '-k', 'x.run']],
  ['x.run.bz2', 'bzip2', ['bzip2', '-k', 'x.run']],
  ['x.run.zst', 'Zstandard', ['zstd', '-q', 'x.run']],
  ['x.zip', 'zip', ['zip', '-q', 'x.zip', 'x.run']],
  ['x.tar', 'tar', ['tar', 'cf', 'x.tar', 'x.run']],
];

for (const [name, word, [program, ...argv]] of PACKED) {
  test(`${word} is refused by its name`, () =>
    inFolder(async (folder) => {
      await writeFiles(folder, { 'x.run': RUN });
      try {
        execFileSync(program!, argv, { cwd: folder, stdio: 'ignore' });
      } catch {
        console.log(`  left out: ${program} is not installed`);
        return;
      }
      for (const read of [readRun, readQrels, readQueries]) {
        await refuses(() => read(join(folder, name)), 'unsupported', new RegExp(`${name}: is a ${word} file`));
      }
    }));
}

test('text that begins like bzip2 is text', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, { 'x.run': 'BZh Q0 d 1 1 x\n' });
    assert.is((await readRun(join(folder, 'x.run')))[0]!.queryId, 'BZh');
  }));

test.run();
