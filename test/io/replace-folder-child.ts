// Writes folders one after the other until it is killed: `tsx replace-folder-child.ts TARGET`. Each holds the same number
// in all of its files, and is told on standard output when it is in place.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFolder } from '../../src/io/replace-folder.js';

export const FILES = ['a', 'b', 'below/c'];
const BYTES = 64 * 1024;

async function writeNumber(folder: string, number: number): Promise<void> {
  await mkdir(join(folder, 'below'));
  for (const file of FILES) await writeFile(join(folder, file), `${number}\n`.padEnd(BYTES, '.'));
}

const [target] = process.argv.slice(2);
if (target !== undefined) {
  const first = Number(process.argv[3]);
  for (let number = first; ; number++) {
    await replaceFolder(target, (folder) => writeNumber(folder, number));
    process.stdout.write(`${number}\n`);
  }
}
