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

/** The licence texts of bundled packages, each once. @param {string[]} files */
function licences(files) {
  const folders = new Set(files.map(packageOf).filter((folder) => folder !== undefined));
  const texts = [...folders].map((folder) => {
    const found = ['LICENSE', 'LICENSE.md', 'LICENSE.txt'].map((name) => join(root, folder, name)).find(existsSync);
    return found ? readFileSync(found, 'utf8').trim() : '';
  });
  return [...new Set(texts)].join('\n\n').replaceAll('*/', '* /').replaceAll('<', '(').replaceAll('>', ')');
}

/** @returns {Promise<string[]>} the files written; none in a checkout without the pages */
export async function bundlePages() {
  const written = [];
  for (const folder of PAGES) {
    const source = join(root, 'src', folder, 'page');
    if (existsSync(join(source, 'main.ts'))) written.push(...(await bundlePage(source, join(root, 'dist', folder))));
  }
  return written;
}

/** @param {string} source @param {string} target */
async function bundlePage(source, target) {
  const { build } = await import('esbuild');
  const { outputFiles, metafile } = await build({
    entryPoints: { page: join(source, 'main.ts'), style: join(source, 'style.css') },
    outdir: target,
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
  mkdirSync(target, { recursive: true });
  const head = `/*! Holds parts of these packages:\n\n${licences(Object.keys(metafile.inputs))}\n*/\n`;
  return outputFiles.map(({ path, text }) => {
    const file = join(dirname(path), path.endsWith('.css') ? 'page.css' : 'page.js');
    writeFileSync(file, path.endsWith('.css') ? text : head + text);
    return file;
  });
}
