import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './root.mjs';

const compiled = join(root, 'build/typescript');

/** @param {string} text */
const hash = (text) => createHash('sha256').update(text).digest('hex').slice(0, 32);

/**
 * JavaScript of a source file, with its source map, types not checked. It is kept in build/typescript until the source
 * changes.
 * @param {string} file
 */
export async function transpile(file) {
  const source = readFileSync(file, 'utf8');
  const kept = join(compiled, `${hash(relative(root, file))}.js`);
  const mark = `\n// ${hash(source)}`;
  if (existsSync(kept)) {
    const text = readFileSync(kept, 'utf8');
    if (text.endsWith(mark)) return text;
  }
  const { default: ts } = await import('typescript');
  const { outputText } = ts.transpileModule(source, {
    fileName: file,
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
      inlineSources: true,
    },
  });
  const text = `${outputText}${mark}`;
  mkdirSync(compiled, { recursive: true });
  const unfinished = `${kept}.${process.pid}-${Math.random()}`;
  writeFileSync(unfinished, text);
  renameSync(unfinished, kept);
  return text;
}
