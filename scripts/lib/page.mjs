// Bundles the programs of pages into dist, with the licences of what they hold.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './root.mjs';

/** Folders of dist that get the page of the same folder in src. */
const PAGES = ['report-page', 'serve'];

/** The folder of the package that a bundled file belongs to. @param {string} file */
function packageOf(file) {
  const [, folder] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file) ?? [];
  return folder;
}

/** The licence texts of bundled packages, each once. @param {string[]} folders */
function licences(folders) {
  const texts = folders.map((folder) => {
    const found = ['LICENSE', 'LICENSE.md', 'LICENSE.txt'].map((name) => join(root, folder, name)).find(existsSync);
    return found ? readFileSync(found, 'utf8').trim() : '';
  });
  return [...new Set(texts)].join('\n\n').replaceAll('*/', '* /').replaceAll('<', '(').replaceAll('>', ')');
}

/** @param {import('esbuild').Metafile} metafile */
function packagesIn({ inputs }) {
  return [...new Set(Object.keys(inputs).flatMap((file) => packageOf(file) ?? []))];
}

const isThere = (/** @type {string} */ folder) => existsSync(join(root, 'src', folder, 'page', 'main.ts'));

/** The page of a folder, in memory. @param {string} folder */
async function bundle(folder) {
  const source = join(root, 'src', folder, 'page');
  const { build } = await import('esbuild');
  return await build({
    entryPoints: { page: join(source, 'main.ts'), style: join(source, 'style.css') },
    outdir: join(root, 'dist', folder),
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    metafile: true,
    write: false,
    tsconfig: join(source, 'tsconfig.json'),
  });
}

/** The folders, below the checkout's, of the packages that are in the pages. */
export async function bundledPackages() {
  const found = [];
  for (const folder of PAGES.filter(isThere)) found.push(...packagesIn((await bundle(folder)).metafile));
  return [...new Set(found)].sort();
}

/** @returns {Promise<string[]>} the files written; none in a checkout without the pages */
export async function bundlePages() {
  const written = [];
  for (const folder of PAGES.filter(isThere)) {
    mkdirSync(join(root, 'dist', folder), { recursive: true });
    const { outputFiles, metafile } = await bundle(folder);
    const head = `/*! Holds parts of these packages:\n\n${licences(packagesIn(metafile))}\n*/\n`;
    for (const { path, text } of outputFiles) {
      const file = join(dirname(path), path.endsWith('.css') ? 'page.css' : 'page.js');
      writeFileSync(file, path.endsWith('.css') ? text : head + text);
      written.push(file);
    }
  }
  return written;
}
