import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inWorkFolder } from '../../scripts/lib/once.mjs';
import { inFolder } from '../support/files.js';

const test = suite('folder to unpack into');

test('what was killed is cleared away, and nothing that another target is unpacked into', () =>
  inFolder(async (folder) => {
    const left = join(folder, 'torch-2.13.0-cuda.unpacking-killed');
    mkdirSync(join(left, 'torch'), { recursive: true });
    await inWorkFolder(join(folder, 'torch-2.13.0-cuda-compile'), async (theirs) => {
      assert.ok(existsSync(left));
      await inWorkFolder(join(folder, 'torch-2.13.0-cuda'), async (work) => {
        assert.not(existsSync(left));
        await inWorkFolder(join(folder, 'libtorch-2.13.0-cpu'), () => Promise.resolve());
        renameSync(work, join(folder, 'torch-2.13.0-cuda'));
      });
      assert.ok(existsSync(theirs));
    });
    assert.equal(readdirSync(folder), ['torch-2.13.0-cuda']);
  }));

test('what fails leaves nothing', () =>
  inFolder(async (folder) => {
    try {
      await inWorkFolder(join(folder, 'x'), () => Promise.reject(new Error('full')));
      assert.unreachable();
    } catch (error) {
      assert.is((error as Error).message, 'full');
    }
    assert.equal(readdirSync(folder), []);
  }));

test.run();
