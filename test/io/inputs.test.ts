import { linkSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeAtomically } from '../../src/io/atomic-write.js';
import { holdInputs } from '../../src/io/inputs.js';
import { replaceFolder } from '../../src/io/replace-folder.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';

const test = suite('no output over an input');

const write = (path: string) => writeAtomically(path, (text) => text('output'));

/** A folder with an input, and other paths that lead to it. */
function inputWithOtherNames(): { folder: string; input: string; names: string[] } {
  const folder = temporaryFolder();
  const input = join(folder, 'input');
  writeFileSync(input, 'precious');
  symlinkSync('input', join(folder, 'link'));
  symlinkSync('link', join(folder, 'link-to-link'));
  linkSync(input, join(folder, 'hard-link'));
  symlinkSync('.', join(folder, 'same-folder'));
  const names = ['input', './input', 'link', 'link-to-link', 'hard-link', 'same-folder/input', 'same-folder/link'];
  return { folder, input, names: names.map((name) => join(folder, name)) };
}

test('an input is refused as an output under any name, and may be written when it is no longer in use', async () => {
  const { folder, input, names } = inputWithOtherNames();
  const held = holdInputs([join(folder, 'link')]);
  for (const name of names) await refuses(() => write(name), 'bad_input', `${name}: would overwrite the input`);
  assert.is(readFileSync(input, 'utf8'), 'precious');
  await write(join(folder, 'other'));
  held[Symbol.dispose]();
  await write(input);
  assert.is(readFileSync(input, 'utf8'), 'output');
});

test('two that use an input: it is protected until both are done', async () => {
  const { input } = inputWithOtherNames();
  const [first, second] = [holdInputs([input]), holdInputs([input])];
  first[Symbol.dispose]();
  await refuses(() => write(input), 'bad_input', 'would overwrite');
  second[Symbol.dispose]();
  await write(input);
});

test('a relative path stays the same input when the working directory changes', async () => {
  const { folder, input } = inputWithOtherNames();
  const before = process.cwd();
  process.chdir(folder);
  using _held = holdInputs(['input']);
  process.chdir(before);
  await refuses(() => write(input), 'bad_input', 'would overwrite');
});

test('a file that is looked for and is not there yet is not created', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'model'));
  symlinkSync('model', join(folder, 'link'));
  symlinkSync('model/vocab.txt', join(folder, 'to-nothing'));
  symlinkSync('to-nothing', join(folder, 'to-link'));
  using _held = holdInputs([join(folder, 'model', 'vocab.txt')]);
  for (const name of ['link/vocab.txt', 'to-nothing', 'to-link']) {
    await refuses(() => write(join(folder, name)), 'bad_input', 'would overwrite');
  }
});

test('a folder that holds an input is not replaced', async () => {
  const { folder, input } = inputWithOtherNames();
  const fill = (): Promise<void> => Promise.resolve();
  const held = holdInputs([input]);
  await refuses(() => replaceFolder(folder, fill), 'bad_input', `${folder}: would overwrite the input`);
  await refuses(() => replaceFolder(join(folder, 'same-folder'), fill), 'bad_input', 'would overwrite the input');
  assert.is(readFileSync(input, 'utf8'), 'precious');
  held[Symbol.dispose]();
  await replaceFolder(folder, fill);
  rmSync(folder, { recursive: true });
});

test.run();
