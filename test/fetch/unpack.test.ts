import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import { unpackTo } from '../../src/fetch/unpack.js';
import { refuses } from '../support/errors.js';
import { inFolder } from '../support/files.js';

const test = suite('fetch unpack');

test('a line that has no end is refused with the name of the archive', () =>
  inFolder(async (folder) => {
    const archive = join(folder, 'docs.gz');
    await writeFile(archive, gzipSync(Buffer.alloc(65 * 2 ** 20, 'a'), { level: 1 }));
    await refuses(
      () => unpackTo(join(folder, 'docs.tsv'), archive, { unpack: 'gzip', change: 'repair' }),
      'bad_input',
      /docs\.gz: cannot be unpacked: it has a line of more than 64 MiB/,
    );
  }));

test.run();
