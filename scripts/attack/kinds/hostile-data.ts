import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type * as LoadConfig from '../../../src/config/load-config.js';
import type { Kind } from '../kind.js';
import { pick } from '../mutate.js';

const GOLDEN = new URL('../../../test/data/golden/with-texts-none.parquet', import.meta.url);

/** Thrift's compact form of a number. */
function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value << 1n;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

/** A Parquet file that claims another number of rows, in its footer or in each place where its number of rows stands. */
function claimRows(rows: bigint, everywhere: boolean): Buffer {
  const bytes = readFileSync(GOLDEN);
  const footerBytes = bytes.readUInt32LE(bytes.length - 8);
  const start = bytes.length - 8 - footerBytes;
  let footer = bytes.subarray(start, bytes.length - 8);
  // fields of the type i64 (0x16) that hold the number of rows: of the file, of row groups, of values
  for (let at = footer.indexOf(0x16); at !== -1; at = footer.indexOf(0x16, at + 1)) {
    if (footer[at + 1] !== footer[footer.indexOf(0x16) + 1]) continue;
    footer = Buffer.concat([footer.subarray(0, at + 1), varint(rows), footer.subarray(at + 2)]);
    if (!everywhere) break;
  }
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([bytes.subarray(0, start), footer, length, Buffer.from('PAR1')]);
}

export const kind: Kind = {
  name: 'files that swallow time or memory',
  gives: ['refused'],
  tries: { full: 300, short: 13 },
  async open({ api, load, folder }) {
    const { loadConfig } = await load<typeof LoadConfig>('config/load-config');
    const write = (name: string, content: string | Uint8Array): string => {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    };
    const config = async (text: string): Promise<void> => {
      await loadConfig([{ kind: 'file', path: write('config.yaml', text) }]);
    };
    return async (random, index) => {
      const count = 1000 + random.below(100_000);
      const forms: (() => Promise<unknown>)[] = [
        () => config(Array.from({ length: count }, (_, i) => `key${i}: 1\n`).join('')),
        () => config(pick(random, ['[', '{a: ', '- ', '? ', '&a [*a,']).repeat(count)),
        () => config(`a: &a 1\n${Array.from({ length: count }, (_, i) => `b${i}: *a\n`).join('')}`),
        () => config(Array.from({ length: 30 }, (_, i) => `k${i}: &a${i} [*a${i - 1}, *a${i - 1}]`).join('\n')),
        () => api.readRun(write('x.parquet', claimRows(2n ** BigInt(10 + random.below(53)), random.below(2) === 0))),
        () => api.readRun(write('x.json', `[${'[],'.repeat(10 * count)}[]]`)),
        () => api.readRun(write('x.json', `${'['.repeat(count)}${']'.repeat(count)}`)),
        () => api.readRun(write('x.jsonl', `{"qid":"q","docid":"d","score":${'[{"a":'.repeat(count)}`)),
        () => api.readRun(write('x.run.gz', gzipSync(Buffer.alloc(300 * 2 ** 20), { level: 1 }))),
        () => api.readQrels(write('x.txt', `q${' '.repeat(100 * count)}x 0 d 1\n`)),
        () => {
          const path = write('x.run', 'q1 Q0 d1 1 1 t\n');
          truncateSync(path, 2 ** 40); // a line of a terabyte, none of it on disk
          return api.readRun(path);
        },
        () => {
          const path = write('x.json', '[');
          truncateSync(path, 2 ** 33);
          return api.readRun(path);
        },
        async () => {
          const path = join(folder, 'pipe');
          rmSync(path, { force: true });
          execFileSync('mkfifo', [path]);
          await api.readRun(path);
        },
        () => api.readQrels(pick(random, ['/dev/zero', '/dev/urandom', '/dev/null'])),
      ];
      await forms[index % forms.length]!();
    };
  },
};
