// Lets Node.js import our TypeScript: `node --import ./scripts/lib/load-typescript.mjs test/x.test.ts`. tsx does that for
// any project and takes twice the CPU time for a process; the tests start hundreds.
import { existsSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { transpile } from './transpile.mjs';

/** The TypeScript file that an import means: itself, or the source of the `.js` that TypeScript names. @param {URL} url */
function sourceOf(url) {
  if (url.protocol !== 'file:') return undefined;
  if (url.pathname.endsWith('.js') && !url.pathname.includes('/node_modules/') && !existsSync(url)) {
    url.pathname = url.pathname.replace(/js$/, 'ts');
  }
  return url.pathname.endsWith('.ts') && existsSync(url) ? url : undefined;
}

/** @type {import('node:module').ResolveHook} */
export async function resolve(specifier, context, next) {
  if (/^(\.{0,2}\/|file:)/.test(specifier)) {
    const source = sourceOf(new URL(specifier, context.parentURL));
    if (source) return { url: source.href, format: 'module', shortCircuit: true };
  }
  return next(specifier, context);
}

/** @type {import('node:module').LoadHook} */
export async function load(url, context, next) {
  if (!url.startsWith('file:') || !new URL(url).pathname.endsWith('.ts')) return next(url, context);
  return { format: 'module', source: await transpile(fileURLToPath(url)), shortCircuit: true };
}

// This module is loaded twice: where the program asks for it, and by that in the thread of the hooks.
if (!import.meta.url.endsWith('?hooks')) {
  process.setSourceMapsEnabled(true);
  register(`${import.meta.url}?hooks`);
}
