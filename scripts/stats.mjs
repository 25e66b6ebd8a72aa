// Counts what the code is made of: files and lines, small files, imports between the folders of src, and circles.
// usage: npm run stats
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { filesBelow } from './lib/hash.mjs';
import { root } from './lib/root.mjs';

/** Files of this many lines or fewer count as small. */
const SMALL = 30;
/** Data, not code. */
const DATA = /\.(json|jsonl|txt|tsv|run|csv|parquet|safetensors|gz)$/;

/** @param {string} file */
const linesOf = (file) => readFileSync(file, 'utf8').split('\n').length - 1;

/** @param {string} folder */
function count(folder) {
  const files = filesBelow(join(root, folder)).filter((file) => !DATA.test(file));
  const lines = files.map(linesOf);
  return {
    files: files.length,
    lines: lines.reduce((a, b) => a + b, 0),
    small: lines.filter((n) => n <= SMALL).length,
  };
}

/** Names of the folders below one; a file beside them counts as itself. @param {string} folder */
function parts(folder) {
  const names = filesBelow(join(root, folder)).map((file) => relative(join(root, folder), file).split('/'));
  return [...new Set(names.filter((name) => name.length > 1).map(([first = '']) => first))].sort();
}

/** @param {string} title @param {string[]} folders */
function table(title, folders) {
  console.log(`\n${title.padEnd(24)}${'files'.padStart(8)}${'lines'.padStart(8)}${`<= ${SMALL}`.padStart(8)}`);
  for (const folder of folders) {
    const { files, lines, small } = count(folder);
    console.log(folder.padEnd(24) + [files, lines, small].map((n) => String(n).padStart(8)).join(''));
  }
}

/** Folders of src that a file imports from; type-only imports count. @param {string} file */
function importsOf(file) {
  const text = readFileSync(file, 'utf8');
  const paths = [...text.matchAll(/(?:from|import\(|^import) ?'(\.[^']+)'/gm)].map(([, path = '']) => path);
  return paths.map((path) => folderOf(join(dirname(file), path)));
}

/** @param {string} file */
const folderOf = (file) => relative(join(root, 'src'), file).split('/')[0] ?? '';

/** The imports between folders of src, as `from -> to`. */
function arrows() {
  const found = new Map(/** @type {[string, Set<string>][]} */ (parts('src').map((name) => [name, new Set()])));
  for (const file of filesBelow(join(root, 'src'), (name) => name.endsWith('.ts'))) {
    const from = folderOf(file);
    for (const to of importsOf(file)) if (to !== from && found.has(to)) found.get(from)?.add(to);
  }
  return found;
}

/** Folders that can be reached from themselves. @param {Map<string, Set<string>>} graph */
function circles(graph) {
  return [...graph.keys()].filter((start) => {
    const seen = new Set();
    const queue = [...(graph.get(start) ?? [])];
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      queue.push(...(graph.get(at) ?? []));
    }
    return seen.has(start);
  });
}

const below = (/** @type {string} */ folder) => parts(folder).map((name) => `${folder}/${name}`);
table('src', ['src', ...below('src')]);
table('scripts', ['scripts', ...below('scripts')]);
table('native', ['native', ...below('native')]);
table('test', ['test']);
const graph = arrows();
const sum = [...graph.values()].reduce((total, targets) => total + targets.size, 0);
console.log(`\nimports between folders of src: ${sum}`);
for (const [from, targets] of graph) if (targets.size > 0) console.log(`  ${from} -> ${[...targets].sort().join(' ')}`);
console.log(`folders in circles: ${circles(graph).join(' ') || 'none'}`);
console.log('data files (json, txt, tsv, ...) are not counted');
