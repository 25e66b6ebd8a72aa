import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { filesBelow } from '../../scripts/lib/hash.mjs';
import { chartFile, readSpeedReport, speedChart, THEMES } from '../../scripts/docs/speed-chart.js';
import { docsPage } from '../../src/errors.js';
import { documents, readDocument, root } from './documents.js';

const test = suite('links of the documentation');

/** Without code, in which brackets are no links. */
function proseOf(path: string): string {
  return readDocument(path)
    .replace(/^```[^]*?^```$/gm, '')
    .replace(/`[^`\n]*`/g, (code) => 'x'.repeat(code.length));
}

/** Targets of links and images that lie in the repository. */
function relativeLinks(path: string): string[] {
  const markdown = [...proseOf(path).matchAll(/\]\(([^()\s]+)\)/g)];
  const html = [...proseOf(path).matchAll(/(?:src|srcset|href)="([^"]+)"/g)];
  return [...markdown, ...html].map((match) => match[1]!).filter((target) => !/^[a-z]+:/.test(target));
}

/** The anchors that GitHub gives the headings of a document. */
function anchorsOf(path: string): Set<string> {
  const headings = readDocument(path).matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, text]) =>
      text!
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

test('every page that a message names is part of the package', () => {
  const sources = filesBelow(join(root, 'src')).map((path) => readFileSync(path, 'utf8'));
  const pages = sources.flatMap((text) => [...text.matchAll(/docsPage\('(\w+)'\)/g)].map((match) => match[1]!));
  assert.ok(pages.length > 5);
  for (const page of pages) assert.ok(existsSync(docsPage(page as Parameters<typeof docsPage>[0])), page);
  // a path from the root of the repository leads nowhere in an installed package
  const quoted = /^(?!\s*(?:\/\/|\*|\/\*)).*['"`][^'"`\n]*docs\/\w+\.md/m;
  for (const text of sources) assert.not.match(text.replaceAll('`docs/${page}.md`', ''), quoted);
});

test('every relative link leads to a file, and to a heading of it', () => {
  const broken: string[] = [];
  for (const path of documents()) {
    for (const link of relativeLinks(path)) {
      const [file, anchor] = link.split('#');
      const target = file === '' ? path : normalize(join(dirname(path), file!));
      const found = existsSync(join(root, target)) && (anchor === undefined || anchorsOf(target).has(anchor));
      if (!found) broken.push(`${path}: ${link}`);
    }
  }
  assert.equal(broken, []);
});

test('no document depends on the address of the repository, which package.json alone has', () => {
  const { repository } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    repository: { url: string };
  };
  const address = repository.url.replace(/^git\+https?:\/\/|\.git$/g, '');
  assert.match(address, /^[\w.-]+\/[\w.-]+\/[\w.-]+$/);
  assert.equal(
    documents().filter((path) => readDocument(path).includes(address)),
    [],
  );
});

test('what a document links to is in the npm package', () => {
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  const packed = [...files, 'README.md', 'LICENSE', 'package.json']; // npm adds these by itself
  const isPacked = (path: string): boolean => packed.some((name) => path === name || path.startsWith(`${name}/`));
  const missing = documents().flatMap((path) => [
    ...(isPacked(path) ? [] : [path]),
    ...relativeLinks(path)
      .map((link) => normalize(join(dirname(path), link.split('#')[0]!)))
      .filter((target) => target !== dirname(path) && target !== '.' && !isPacked(target)),
  ]);
  assert.equal([...new Set(missing)], []);
});

test('files and folders that the documentation names exist', () => {
  const missing = documents().flatMap((path) =>
    [...readDocument(path).matchAll(/`((?:src|native|test|scripts|configs|docs)\/[\w./-]+)`/g)]
      .map(([, name]) => name!)
      .filter((name) => !existsSync(join(root, name)))
      .map((name) => `${path}: ${name}`),
  );
  assert.equal(missing, []);
});

test('documents that the program and the configurations name exist', () => {
  const files = ['src', 'configs', 'scripts', 'native'].flatMap((folder) => filesBelow(join(root, folder)));
  const missing = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/\bdocs\/[\w/-]+\.(?:md|svg|json)\b/g)]
      .map(([path]) => path)
      .filter((path) => !existsSync(join(root, path))),
  );
  assert.equal([...new Set(missing)], []);
});

test('the speed chart is drawn from its JSON', () => {
  for (const theme of ['light', 'dark'] as const) {
    const drawn = speedChart(readSpeedReport(), THEMES[theme]);
    assert.is(readFileSync(chartFile(theme), 'utf8'), drawn, 'npx tsx scripts/docs/speed-chart.ts draws it again');
  }
});

test('the table of libraries is that of the JSON', () => {
  const table = readDocument('docs/performance.md');
  for (const { name, version, precision, pairsPerSecond, ratio } of readSpeedReport().results) {
    const [library, ...how] = name.split(',');
    const ours = ratio === undefined;
    const label = ours ? library! : [`${library} ${version}`, ...how].join(',');
    const computed = ours && precision === 'int8' ? 'int8 (16-bit integers here)' : precision;
    const row = `| ${label} | ${computed} | ${pairsPerSecond.toFixed(1)} | ${ours ? '' : `${ratio.toFixed(2)} `}|`;
    assert.ok(table.includes(row), `docs/performance.md lacks: ${row}`);
  }
});

test.run();
