import { execFile, execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CollectionStore } from '../../src/data/collection/collection-store.js';
import { sharedPath } from '../support/shared.js';
import { idV2, writePassagesV2 } from '../../scripts/bench/scale/stand-ins.js';
import { golden } from '../support/data.js';
import { refuses } from '../support/errors.js';
import { pipe, temporaryFiles } from '../support/files.js';
import { LOADER } from '../support/programs.js';

const test = suite('collection store');
const { folder, file } = temporaryFiles();
const cache = join(folder, 'cache', 'rank-distillm', 'collections');
const indexes = () => readdirSync(cache).filter((name) => name.endsWith('.index'));

test('texts come in the order asked for, also twice, from plain and gzipped collections', async () => {
  const bytes = readFileSync(golden('docs.tsv'));
  const texts = new Map(
    bytes
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split('\t') as [string, string]),
  );
  const jsonl = [...texts].map(([id, text]) => JSON.stringify({ id, contents: text })).join('\r\n');
  const paths = [
    golden('docs.tsv'),
    file('docs.tsv.gz', gzipSync(bytes)),
    file('docs.jsonl', jsonl),
    file('bom.tsv', `\uFEFF${bytes}`),
  ];
  for (const path of paths) {
    const store = await CollectionStore.open(path);
    assert.is(store.size, 12);
    const asked = ['d12', 'd3', 'd1', 'd3', 'd10'];
    assert.equal(
      await store.getTexts(asked),
      asked.map((id) => texts.get(id)),
      path,
    );
    assert.equal(await store.getTexts([]), []);
    assert.equal([store.has('d3'), store.has('d13'), store.has('')], [true, false, false]);
    await store.close();
  }
});

test('a tar of gzip files, as MS MARCO v2 is, is one collection', async () => {
  const path = join(folder, 'v2.tar');
  await writePassagesV2(path, 200);
  for (let round = 0; round < 2; round++) {
    await using store = await CollectionStore.open(path);
    assert.is(store.size, 200);
    const ids = [idV2(0, 0), idV2(69, 1), idV2(34, 1)];
    const expected = ids.map((id) => {
      const member = `msmarco_v2_passage/${id.slice(0, 18)}.gz`;
      const lines = gunzipSync(execFileSync('tar', ['xOf', path, member]))
        .toString()
        .split('\n');
      return (JSON.parse(lines.find((line) => line.includes(`"${id}"`))!) as { passage: string }).passage;
    });
    assert.equal(await store.getTexts(ids), expected);
  }
  execFileSync('tar', ['cf', file('other.tar', ''), '-C', folder, 'v2.tar']);
  await refuses(() => CollectionStore.open(join(folder, 'other.tar')), 'bad_input', 'other.tar', 'no member', '.gz');
  await refuses(
    () => CollectionStore.open(file('cut.tar', readFileSync(path).subarray(0, 50_000))),
    'bad_input',
    'cut.tar',
  );
});

test('a document that stands there twice is one, whatever the file looks like', async () => {
  const tsv = 'd1\ta\nd2\tb\nd1\ta\nd\u00a01\tno-break space\nd1\ta\n';
  const json = '{"_id": "d1", "text": "a"}\n{"_id": "d2", "text": "b"}\n{"text": "a", "title": null, "_id": "d1"}\n';
  for (const path of [file('same.tsv', tsv), file('same.tsv.gz', gzipSync(tsv)), file('same.jsonl', json)]) {
    await using store = await CollectionStore.open(path);
    assert.is(store.size, path.endsWith('.jsonl') ? 2 : 3);
    assert.equal(await store.getTexts(['d1', 'd2', 'd1']), ['a', 'b', 'a']);
    if (store.size === 3) assert.equal(await store.getTexts(['d\u00a01']), ['no-break space']);
  }
});

test('an index is built once, and again when the file changes', async () => {
  const path = file('changing.tsv', 'd1\told\n');
  const built: number[] = [];
  const text = async () => {
    const store = await CollectionStore.open(path, { onProgress: (documents) => built.push(documents) });
    const [found] = await store.getTexts(['d1']);
    await store.close();
    return found;
  };
  assert.is(await text(), 'old');
  assert.is(await text(), 'old');
  assert.equal(built, [1]);
  const before = indexes().length;
  writeFileSync(path, 'd1\tnew\n');
  utimesSync(path, 1, 1); // a change of time alone must do: the size is the same
  assert.is(await text(), 'new');
  renameSync(file('other.tsv', 'd1\tyet\n'), path);
  utimesSync(path, 1, 1); // and so must another inode
  assert.is(await text(), 'yet');
  assert.equal(built, [1, 1, 1]);
  assert.is(indexes().length, before, 'indexes of older versions are removed');
});

test('nothing is left of an index that could not be built, and no temporary file of one that could', async () => {
  const before = readdirSync(cache);
  await refuses(
    () => CollectionStore.open(file('twice.tsv', 'd1\ta\nd2\tb\nd1\tc\n')),
    'bad_input',
    'twice.tsv:3',
    "'d1'",
    'line 1',
  );
  await refuses(() => CollectionStore.open(file('bad.tsv', 'd1\ta\nno tab\n')), 'bad_input', 'bad.tsv:2');
  await refuses(() => CollectionStore.open(file('none.tsv', '')), 'bad_input', 'none.tsv', 'empty');
  await refuses(
    () => CollectionStore.open(file('long.tsv', `${'x'.repeat(3000)}\ta\n`)),
    'bad_input',
    'long.tsv:1',
    'id',
  );
  await refuses(
    () => CollectionStore.open(file('cut.tsv.gz', gzipSync('d1\ta\n').subarray(0, 15))),
    'bad_input',
    'cut.tsv.gz',
  );
  await refuses(() => CollectionStore.open(join(folder, 'missing.tsv')), 'not_found', 'missing.tsv');
  const signal = AbortSignal.abort();
  const stopped = CollectionStore.open(file('stopped.tsv', 'd1\ta\n'), { signal });
  await stopped.then(
    () => assert.unreachable(),
    (error: { code: string }) => assert.is(error.code, 'aborted'),
  );
  assert.equal(readdirSync(cache), before);
  assert.not.ok(before.some((name) => name.startsWith('.')));
});

test('a damaged index, or a damaged unpacked copy, is noticed when it is opened, and built again', async () => {
  const lines = Array.from({ length: 3000 }, (_, i) => `d${i}\ttext ${i}\n`).join('');
  const path = file('damaged.tsv.gz', gzipSync(lines));
  const made = (suffix: string): string => {
    const name = readdirSync(cache).find((found) => found.startsWith('damaged.tsv.gz-') && found.endsWith(suffix));
    return join(cache, name!);
  };
  const text = async () => {
    const store = await CollectionStore.open(path);
    const texts = await store.getTexts(['d2999']).finally(() => store.close());
    return texts[0];
  };
  assert.is(await text(), 'text 2999');
  for (const suffix of ['.index', '.plain']) {
    const whole = readFileSync(made(suffix));
    const damages = [0, 20, 64, 100, 4096, 20_000].map((length) => whole.subarray(0, length));
    if (suffix === '.index') {
      damages.push(Buffer.alloc(whole.length));
      for (let at = 0; at < whole.length; at += 997) {
        const damage = Buffer.from(whole);
        damage[at]! ^= 1 << (at % 8);
        damages.push(damage);
      }
    }
    for (const damage of damages) {
      writeFileSync(made(suffix), damage);
      assert.is(await text(), 'text 2999', `${suffix} of ${damage.length} bytes`);
      assert.equal(readFileSync(made(suffix)), whole);
    }
  }
});

test('damage that only reading shows is an error, and the next call builds the index again', async () => {
  const path = file('rotten.tsv.gz', gzipSync(Array.from({ length: 3000 }, (_, i) => `d${i}\ttext ${i}\n`).join('')));
  const made = (suffix: string): string => {
    const name = readdirSync(cache).find((found) => found.startsWith('rotten.tsv.gz-') && found.endsWith(suffix))!;
    return join(cache, name);
  };
  await (await CollectionStore.open(path)).close();
  const plain = readFileSync(made('.plain'));
  plain[plain.indexOf('text 7\n')] = 'T'.charCodeAt(0);
  writeFileSync(made('.plain'), plain);
  await using damaged = await CollectionStore.open(path);
  const { hint } = await refuses(() => damaged.getTexts(['d7']), 'io', made('.plain'), 'unpacked copy', path);
  assert.match(hint!, /again: the index has been removed/);
  await using store = await CollectionStore.open(path);
  assert.equal(await store.getTexts(['d7']), ['text 7']);
  const index = made('.index');
  writeFileSync(index, readFileSync(index).fill(0, 64));
  for (const work of [() => store.has('d7'), () => store.getTexts(['d7'])]) {
    await refuses(work, 'io', index, 'index is damaged');
  }
  await using again = await CollectionStore.open(path);
  assert.ok(again.has('d7'));
});

test('an id longer than any in an index is not in the collection', async () => {
  const store = await CollectionStore.open(golden('docs.tsv'));
  for (const id of ['x'.repeat(1901), 'x'.repeat(5000), 'ä'.repeat(1000)]) {
    assert.is(store.has(id), false);
    await refuses(() => store.getTexts([id]), 'not_found', `document '${id.slice(0, 100)}`, 'docs.tsv');
  }
  await store.close();
});

test('what a killed process left of an index is removed before the next is built', async () => {
  const path = file('killed.tsv.gz', gzipSync(Array.from({ length: 20_000 }, (_, i) => `d${i}\ttext\n`).join('')));
  const program = file(
    'kill.mjs',
    `import { CollectionStore } from ${JSON.stringify(new URL('../../src/data/collection/collection-store.ts', import.meta.url).href)};
    await CollectionStore.open(${JSON.stringify(path)}, { onProgress: () => process.kill(process.pid, 'SIGKILL') });`,
  );
  const left = () => readdirSync(cache).filter((name) => name.includes('killed.tsv.gz'));
  const killed = spawnSync(process.execPath, ['--import', LOADER, program]);
  assert.is(killed.signal, 'SIGKILL', killed.stderr.toString());
  assert.is(left().length, 1);
  assert.match(left()[0]!, /^\.killed\.tsv\.gz-.*\.new-/);
  await (await CollectionStore.open(path)).close();
  assert.equal(
    left()
      .map((name) => name.replace(/^.*\./, ''))
      .sort(),
    ['index', 'plain'],
  );
});

test('an unknown document is named with the collection and the run', async () => {
  const store = await CollectionStore.open(golden('docs.tsv'));
  await refuses(() => store.getTexts(['d1', 'd99'], 'a.run'), 'not_found', "'d99'", 'docs.tsv', 'a.run');
  await store.close();
});

test('a pipe is refused before anything is read from it', async () => {
  const path = pipe(folder, 'pipe.tsv', 'd1\ta\n');
  const { hint } = await refuses(() => CollectionStore.open(path), 'bad_input', 'pipe.tsv: is a pipe');
  assert.match(hint!, /to a file/);
});

test('two stores of one collection at once, opened at once', async () => {
  const path = file('shared.tsv', Array.from({ length: 5000 }, (_, i) => `d${i}\ttext ${i}\n`).join(''));
  const [a, b] = await Promise.all([CollectionStore.open(path), CollectionStore.open(path)]);
  await a.close();
  assert.equal(await b.getTexts(['d4999', 'd0']), ['text 4999', 'text 0']);
  await b.close();
});

test('the index goes beside the file when the cache folder cannot be written', async () => {
  const own = join(folder, 'own');
  mkdirSync(own);
  const path = join(own, 'docs.tsv');
  writeFileSync(path, 'd1\ta\n');
  const before = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = join(file('not-a-folder', ''), 'cache');
  try {
    const store = await CollectionStore.open(path);
    assert.equal(await store.getTexts(['d1']), ['a']);
    await store.close();
  } finally {
    process.env['XDG_CACHE_HOME'] = before;
  }
  assert.is(readdirSync(own).filter((name) => name.endsWith('.index')).length, 1);
});

test('where no folder can be written, the error names both and the mend', async () => {
  const path = file('nowhere.tsv', 'd1\ta\n');
  const program = file(
    'nowhere.mjs',
    `import { CollectionStore } from ${JSON.stringify(new URL('../../src/data/collection/collection-store.ts', import.meta.url).href)};
    const { code, message, hint } = await CollectionStore.open(${JSON.stringify(path)}).catch((error) => error);
    console.log(JSON.stringify({ code, message, hint }));`,
  );
  // a read-only file system refuses root, too
  const shell = `mount --bind ${folder} ${folder} && mount -o remount,bind,ro ${folder} && ${process.execPath} --import ${LOADER} ${program}`;
  const { stdout, stderr, status } = spawnSync('unshare', ['--mount', '--map-root-user', 'sh', '-c', shell], {
    encoding: 'utf8',
  });
  if (status !== 0) return console.log(`left out: a read-only file system, since this machine makes none: ${stderr}`);
  const { code, message, hint } = JSON.parse(stdout) as Record<string, string>;
  assert.is(code, 'io');
  assert.is(
    message,
    `${path}: cannot write its index: ${cache}: cannot write: the file system is read-only; ` +
      `${folder}: cannot write: the file system is read-only`,
  );
  assert.match(hint!, /XDG_CACHE_HOME/);
});

test('a collection rewritten under an open store is noticed', async () => {
  const path = file('rewritten.tsv', 'd1\taaaa\nd2\tbbbb\n');
  const store = await CollectionStore.open(path);
  writeFileSync(path, 'x9\taaaa\nx8\tbbbb\n');
  await refuses(() => store.getTexts(['d2']), 'io', 'rewritten.tsv', 'changed');
  await store.close();
});

test('a collection edited in place is noticed even if its size and time stay, and indexed again', async () => {
  const path = file('edited.tsv', 'd1\taaaa\nd2\tbbbb\n');
  utimesSync(path, 1, 1);
  await using store = await CollectionStore.open(path);
  writeFileSync(path, 'd1\taaaa\nd2\tcccc\n');
  utimesSync(path, 1, 1);
  assert.equal(await store.getTexts(['d1']), ['aaaa']);
  await refuses(() => store.getTexts(['d2']), 'io', 'edited.tsv', 'changed');
  await using again = await CollectionStore.open(path);
  assert.equal(await again.getTexts(['d2', 'd1']), ['cccc', 'aaaa']);
});

test('a collection replaced under an open store is read as it was', async () => {
  const path = file('replaced.tsv', 'd1\told\n');
  await using store = await CollectionStore.open(path);
  renameSync(file('replacement.tsv', 'd1\tnew\n'), path);
  assert.equal(await store.getTexts(['d1']), ['old']);
});

test('a collection that is cut while it is read is an error, and what is left of it can be read', async () => {
  const path = file('shortened.tsv', 'd1\tone\nd2\ttwo\n');
  await using store = await CollectionStore.open(path);
  assert.equal(await store.getTexts(['d2']), ['two']);
  truncateSync(path, 8);
  await refuses(() => store.getTexts(['d2']), 'io', 'shortened.tsv: the file changed while it was being read');
  assert.equal(await store.getTexts(['d1']), ['one']);
});

test('JSON lines, and ids that are not ASCII', async () => {
  const jsonl = file(
    'names.jsonl',
    '{"_id": "é", "title": "A", "text": "b\\n\\ud83d\\ude00"}\n{"id": "1", "contents": "c"}\n',
  );
  const tsv = file('names.tsv', 'é\tA b\r\nd\u00a01\tc\r\n\n😀\t€');
  const asked: [string, string[], string[]][] = [
    [jsonl, ['1', 'é'], ['c', 'A b\n😀']],
    [tsv, ['😀', 'é', 'd\u00a01'], ['€', 'A b', 'c']],
  ];
  for (const [path, ids, texts] of asked) {
    await using store = await CollectionStore.open(path);
    assert.equal(await store.getTexts(ids), texts);
  }
});

test('thousands of texts in one call, others beside it, and all before the store is closed', async () => {
  const documents = 5000;
  const textOf = (i: number): string => `text ${i} äöü € 😀 ${'word '.repeat((i * 37) % 90)}`.trim();
  const numbers = Array.from({ length: documents }, (_, i) => i);
  const path = file('many.tsv', numbers.map((i) => `d${i}\t${textOf(i)}\n`).join(''));
  const store = await CollectionStore.open(path);
  const orders = [[], [7, 6, 5, 6, 7], numbers.map((i) => (i * 1237) % documents), numbers];
  const reads = orders.map((order) => store.getTexts(order.map((i) => `d${i}`)));
  const failing = refuses(() => store.getTexts(['d1', `d${documents}`]), 'not_found', `'d${documents}'`);
  await store.close();
  await failing;
  for (const [i, order] of orders.entries()) assert.equal(await reads[i], order.map(textOf));
  await refuses(() => store.getTexts(['d1']), 'closed', 'many.tsv');
});

test('lines of many megabytes', async () => {
  const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(9 << 20));
  await using store = await CollectionStore.open(
    file('long-lines.tsv', texts.map((text, i) => `d${i}\t${text}\n`).join('')),
  );
  assert.ok((await store.getTexts(['d0', 'd2', 'd1'])).every((text, i) => text === texts[[0, 2, 1][i]!]));
});

test('what is built from a private collection is private', async () => {
  const own = join(folder, 'private-cache');
  const path = file('private.tsv.gz', gzipSync('d1\ta\n'));
  const before = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = own;
  const modes = () =>
    readdirSync(join(own, 'rank-distillm', 'collections')).map((name) => {
      return (statSync(join(own, 'rank-distillm', 'collections', name)).mode & 0o777).toString(8);
    });
  try {
    chmodSync(path, 0o644);
    await (await CollectionStore.open(path)).close();
    assert.is(statSync(join(own, 'rank-distillm')).mode & 0o777, 0o700);
    chmodSync(path, 0o600);
    await (await CollectionStore.open(path)).close();
    assert.equal(modes(), ['600', '600']);
  } finally {
    process.env['XDG_CACHE_HOME'] = before;
  }
});

test('a gzip bomb is refused at its first bad line, before it is unpacked', async () => {
  const before = readdirSync(cache);
  const path = file('bomb.tsv.gz', gzipSync(Buffer.concat([Buffer.from('no tab\n'), Buffer.alloc(200 << 20)])));
  await refuses(() => CollectionStore.open(path), 'bad_input', 'bomb.tsv.gz:1');
  assert.equal(readdirSync(cache), before);
});

test('containers that share a cache folder build one index at once, each being process 1', async () => {
  const own = join(folder, 'volume');
  const path = file('volume.tsv', Array.from({ length: 50_000 }, (_, i) => `d${i}\ttext ${i}\n`).join(''));
  const program = file(
    'container.mjs',
    `import { CollectionStore } from ${JSON.stringify(new URL('../../src/data/collection/collection-store.ts', import.meta.url).href)};
    const store = await CollectionStore.open(${JSON.stringify(path)});
    await new Promise((done) => setTimeout(done, 1000));
    console.log(process.pid, await store.getTexts(['d49999']));`,
  );
  const container = () =>
    new Promise<{ stdout: string; stderr: string }>((resolve) => {
      const command = ['-p', '-f', '--mount-proc', process.execPath, '--import', LOADER, program];
      execFile('unshare', command, { env: { ...process.env, XDG_CACHE_HOME: own } }, (_, stdout, stderr) =>
        resolve({ stdout, stderr }),
      );
    });
  const [first, ...more] = await Promise.all([container(), container(), container()]);
  if (/unshare/.test(first.stderr)) return console.log(`left out: PID namespaces, refused here: ${first.stderr}`);
  for (const { stdout, stderr } of [first, ...more]) assert.is(stdout, "1 [ 'text 49999' ]\n", stderr);
  assert.is(readdirSync(join(own, 'rank-distillm', 'collections')).length, 1);
});

test('every passage of DL 2020', async () => {
  const path = sharedPath('data/trec-dl-2020/collection.tsv');
  if (path === undefined) return;
  const rows = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t') as [string, string]);
  const store = await CollectionStore.open(path);
  assert.is(store.size, 14_091);
  rows.sort(([a], [b]) => (a < b ? 1 : -1));
  assert.equal(
    await store.getTexts(rows.map(([id]) => id)),
    rows.map(([, text]) => text),
  );
  await store.close();
});

test.run();
