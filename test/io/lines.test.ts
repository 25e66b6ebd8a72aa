import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readLines } from '../../src/io/lines.js';
import { collect } from '../support/data.js';
import { refuses } from '../support/errors.js';
import { pipe, temporaryFiles } from '../support/files.js';
import { LOADER } from '../support/programs.js';

const test = suite('lines');
const { folder, file } = temporaryFiles();
const lines = async (path: string) => (await collect(readLines(path))).flat();

test('line ends, byte order mark and blank lines are taken off; numbers and offsets stay those of the file', async () => {
  const path = file('mixed.txt', '\uFEFFone\r\n\n  \ntwo é\r\nthree 🗼');
  assert.equal(await lines(path), [
    { text: 'one', number: 1, offset: 3, length: 3 },
    { text: 'two é', number: 4, offset: 12, length: 6 },
    { text: 'three 🗼', number: 5, offset: 20, length: 10 },
  ]);
});

test('offsets lead back to the bytes across many chunks, also through several gzip members', async () => {
  const words = Array.from({ length: 60_000 }, (_, i) => `line ${i} ${'ß'.repeat(i % 23)}`);
  const text = words.join('\n');
  const bytes = Buffer.from(text);
  const half = Math.floor(bytes.length / 2);
  const members = Buffer.concat([gzipSync(bytes.subarray(0, half)), gzipSync(bytes.subarray(half))]);
  for (const path of [file('long.txt', bytes), file('long.txt.gz', members), file('gzip-without-suffix', members)]) {
    const read = await lines(path);
    assert.equal(
      read.map((line) => line.text),
      words,
    );
    assert.ok(read.every((line) => bytes.toString('utf8', line.offset, line.offset + line.length) === line.text));
    assert.is(read.at(-1)!.number, 60_000);
  }
});

test('pipes are read as files are, however few bytes come at once', async () => {
  const words = Array.from({ length: 300 }, (_, i) => `line ${i}`);
  const contents = [words.join('\n'), gzipSync(words.join('\n'))];
  for (const [i, content] of contents.entries()) {
    for (const slowly of [false, true]) {
      const read = await lines(pipe(folder, `pipe-${i}-${slowly}`, content, slowly));
      assert.equal(
        read.map((line) => line.text),
        words,
      );
    }
  }
  assert.equal(await lines(pipe(folder, 'one-byte', 'x')), [{ text: 'x', number: 1, offset: 0, length: 1 }]);
  assert.equal(await lines(pipe(folder, 'empty', '')), []);
});

test('bytes that are not UTF-8 are refused with their line', async () => {
  const latin1 = Buffer.concat([
    Buffer.from('good\nalso good é\n'),
    Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x0a]),
    Buffer.from('x\n'),
  ]);
  await refuses(() => lines(file('latin1.txt', latin1)), 'bad_input', 'latin1.txt:3', 'UTF-8');
  for (const bytes of [Buffer.from('\uFEFFa b\n', 'utf16le'), Buffer.from('\uFEFFa b\n', 'utf16le').swap16()]) {
    const { hint } = await refuses(() => lines(file('utf16.txt', bytes)), 'bad_input', 'utf16.txt:1', 'UTF-16');
    assert.match(hint!, /iconv -f UTF-16 -t UTF-8/);
  }
});

test('damaged gzip, folders and missing files are refused by name', async () => {
  const gz = gzipSync('a line\n'.repeat(1000));
  await refuses(() => lines(file('cut.gz', gz.subarray(0, gz.length - 12))), 'bad_input', 'cut.gz', 'gzip');
  await refuses(() => lines(folder), 'io', folder, 'is a folder');
  await refuses(() => lines(`${folder}/none.txt`), 'not_found', 'none.txt');
});

test('a gzip bomb of one endless line is refused before it fills the memory', async () => {
  const bomb = file('bomb.gz', gzipSync(Buffer.alloc(80 * 1024 * 1024, 'a'), { level: 1 }));
  await refuses(() => lines(bomb), 'bad_input', 'bomb.gz:1', '16 MiB');
});

test('a gzip bomb of lines is refused before it fills the disk', async () => {
  const bomb = file('lines.gz', gzipSync(Buffer.alloc(300 * 2 ** 20, `${'a'.repeat(2 ** 20)}\n`), { level: 9 }));
  const read = async (): Promise<void> => {
    for await (const block of readLines(bomb)) assert.ok(block.length > 0);
  };
  await refuses(read, 'bad_input', 'lines.gz', '300 times');
});

test('a pipe that nobody writes to leaves the process free to end', () => {
  const path = join(folder, 'nobody.txt');
  execFileSync('mkfifo', [path]);
  const program = `import { readLines } from ${JSON.stringify(new URL('../../src/io/lines.ts', import.meta.url).href)};
    void readLines(${JSON.stringify(path)}).next();
    setTimeout(() => process.exit(3), 100);`;
  const { status } = spawnSync(process.execPath, ['--import', LOADER, '--input-type=module', '-e', program], {
    timeout: 60_000,
  });
  assert.is(status, 3);
});

test.run();
