import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const sources = fileURLToPath(new URL('../../src/', import.meta.url));

/** One folder of src, without those in it, as `tsc` would compile it, but without checking the types. */
export async function transpile(part: string, target: string): Promise<void> {
  await mkdir(join(target, part), { recursive: true });
  for (const name of await readdir(join(sources, part))) {
    if (!name.endsWith('.ts')) continue;
    const { outputText } = ts.transpileModule(await readFile(join(sources, part, name), 'utf8'), {
      compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
    });
    await writeFile(join(target, part, name.replace(/ts$/, 'js')), outputText);
  }
}
