import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RankDistillmError } from '../../src/errors.js';
import { readRegularFile, readRegularFileIfPresent } from '../../src/io/regular-file.js';
import { refuses } from '../support/errors.js';
import { temporaryFiles } from '../support/files.js';

const test = suite('regular-file');
const { folder, file } = temporaryFiles();

test('a file is read whole, through a link, up to the limit and in several pieces', async () => {
  const bytes = Buffer.alloc(9 * 2 ** 20, 'content');
  const path = file('large', bytes);
  const link = join(folder, 'link');
  symlinkSync(path, link);
  assert.ok((await readRegularFile(link, { bytes: bytes.length })).equals(bytes));
  assert.is((await readRegularFile(file('empty', ''), { bytes: 0 })).length, 0);
});

test('a larger file is refused before it is read', async () => {
  const error = await refuses(
    () => readRegularFile(file('one-too-many', '12345'), { bytes: 4, hint: 'Name another file.' }),
    'bad_input',
    'one-too-many: 5 bytes are too many',
  );
  assert.is(error.hint, 'Name another file.');
});

test('a pipe without a writer, a device and a folder are refused at once', async () => {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  mkdirSync(join(folder, 'sub'));
  await refuses(() => readRegularFile(pipe, { bytes: 10 }), 'bad_input', 'pipe: is a pipe or a device');
  await refuses(() => readRegularFile('/dev/zero', { bytes: 10 }), 'bad_input', '/dev/zero: is a pipe or a device');
  await refuses(() => readRegularFile(join(folder, 'sub'), { bytes: 10 }), 'io', 'sub: cannot read: is a folder');
});

test('only a file that does not exist is undefined', async () => {
  assert.is(await readRegularFileIfPresent(join(folder, 'none'), { bytes: 10 }), undefined);
  await refuses(() => readRegularFileIfPresent(join(file('plain', ''), 'below'), { bytes: 10 }), 'io', 'plain');
  await refuses(() => readRegularFile(join(folder, 'none'), { bytes: 10 }), 'not_found', 'none');
});

test('an aborted signal ends the reading', async () => {
  const signal = AbortSignal.abort();
  const error = await readRegularFile(file('some', 'text'), { bytes: 10, signal }).catch((caught: unknown) => caught);
  assert.is((error as RankDistillmError).code, 'aborted');
});

test.run();
