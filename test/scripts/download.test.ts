import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { download } from '../../scripts/lib/download.mjs';
import { inFolder } from '../support/files.js';
import { complaintOf } from './support.js';

const test = suite('download');
const content = randomBytes(300_000);
const sha256 = createHash('sha256').update(content).digest('hex');

/** Serves with `answer` and hands the requests' Range headers out. */
async function withServer(
  answer: (request: IncomingMessage, response: ServerResponse, count: number) => void,
  work: (url: string, ranges: (string | undefined)[]) => Promise<void>,
): Promise<void> {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answer(request, response, ranges.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/file.zip`, ranges);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** What a server that knows Range answers. */
function serve(request: IncomingMessage, response: ServerResponse): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start >= content.length) return void response.writeHead(416).end();
  const part = content.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, { 'content-length': part.length }).end(part);
}

/** Announces everything, sends the first half, and hangs up when something of it has reached the disk. */
function breakOff(response: ServerResponse, partial: string): void {
  response.writeHead(200, { 'content-length': content.length });
  response.write(content.subarray(0, content.length / 2));
  const watch = setInterval(() => {
    if ((statSync(partial, { throwIfNoEntry: false })?.size ?? 0) === 0) return;
    clearInterval(watch);
    response.destroy();
  }, 5);
}

test('a file arrives whole', () =>
  inFolder((folder) =>
    withServer(serve, async (url) => {
      const file = join(folder, 'file.zip');
      await download(url, file, { sha256, label: 'test' });
      assert.ok(readFileSync(file).equals(content));
      assert.not(existsSync(`${file}.partial`));
    }),
  ));

test('a broken connection is taken up where it broke', () =>
  inFolder((folder) => {
    const file = join(folder, 'file.zip');
    return withServer(
      (request, response, count) => (count === 1 ? breakOff(response, `${file}.partial`) : serve(request, response)),
      async (url, ranges) => {
        await download(url, file, { sha256, label: 'test', pause: 1 });
        assert.ok(readFileSync(file).equals(content));
        assert.match(ranges[1] ?? '', /^bytes=[1-9]\d*-$/);
      },
    );
  }));

test('what an earlier, interrupted call left is resumed', () =>
  inFolder((folder) =>
    withServer(serve, async (url, ranges) => {
      const file = join(folder, 'file.zip');
      writeFileSync(`${file}.partial`, content.subarray(0, 12_345));
      await download(url, file, { sha256, label: 'test' });
      assert.ok(readFileSync(file).equals(content));
      assert.equal(ranges, ['bytes=12345-']);
    }),
  ));

test('a server without Range sends all again, and nothing is doubled', () =>
  inFolder((folder) =>
    withServer(
      (_, response) => void response.end(content),
      async (url) => {
        const file = join(folder, 'file.zip');
        writeFileSync(`${file}.partial`, content.subarray(0, 12_345));
        await download(url, file, { sha256, label: 'test' });
        assert.ok(readFileSync(file).equals(content));
      },
    ),
  ));

test('a partial file that is already whole is only checked', () =>
  inFolder((folder) =>
    withServer(serve, async (url) => {
      const file = join(folder, 'file.zip');
      writeFileSync(`${file}.partial`, content);
      await download(url, file, { sha256, label: 'test' });
      assert.ok(readFileSync(file).equals(content));
    }),
  ));

test('another content is thrown away, and both hashes are told', () =>
  inFolder((folder) =>
    withServer(serve, async (url) => {
      const file = join(folder, 'file.zip');
      const wanted = '0'.repeat(64);
      const complaint = await complaintOf(() => download(url, file, { sha256: wanted, label: 'test' }));
      assert.ok(complaint.includes(sha256) && complaint.includes(wanted), complaint);
      assert.not(existsSync(file));
      assert.not(existsSync(`${file}.partial`));
    }),
  ));

test('a missing file is told at once', () =>
  inFolder((folder) =>
    withServer(
      (_, response) => void response.writeHead(404).end(),
      async (url, ranges) => {
        const complaint = await complaintOf(() =>
          download(url, join(folder, 'x'), { sha256, label: 'test', pause: 1 }),
        );
        assert.match(complaint, /file\.zip: cannot be fetched: 404/);
        assert.is(ranges.length, 1);
      },
    ),
  ));

test('a server that is not there is named after a few tries', () =>
  inFolder(async (folder) => {
    let gone = '';
    await withServer(serve, (url) => Promise.resolve(void (gone = url)));
    const complaint = await complaintOf(() => download(gone, join(folder, 'x'), { sha256, label: 'test', pause: 1 }));
    assert.match(complaint, /cannot be fetched: .*ECONNREFUSED/);
  }));

test('a full disk is told at once, and not as trouble with the network', () =>
  inFolder((folder) =>
    withServer(serve, async (url, ranges) => {
      symlinkSync('/dev/full', join(folder, 'x.partial'));
      const complaint = await complaintOf(() => download(url, join(folder, 'x'), { sha256, label: 'test', pause: 1 }));
      assert.match(complaint, /x\.partial: ENOSPC: .*\nFree some space/);
      assert.is(ranges.length, 1);
    }),
  ));

test.run();
