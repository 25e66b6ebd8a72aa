import { ESLint, type Linter } from 'eslint';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import ts from 'typescript-eslint';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FOLDERS } from '../../eslint.config.js';

const test = suite('import direction');
const root = fileURLToPath(new URL('../..', import.meta.url));
// Without the type checker, which would read the files from the disk instead of the text that is handed over.
const eslint = new ESLint({ cwd: root, overrideConfig: ts.configs.disableTypeChecked as Linter.Config });

/** What the project's own lint rules say about a line of code, were it in that file. */
async function rulesBroken(file: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: fileURLToPath(new URL(`../../${file}`, import.meta.url)) });
  return result!.messages.map(({ ruleId, message }) => ruleId ?? message).filter((rule) => rule.includes('restricted'));
}

const backwards: [file: string, specifier: string][] = [
  ['src/io/atomic-write.ts', '../cli/main.js'],
  ['src/data/records.ts', '../engine/cross-encoder.js'],
  ['src/data/formats/run-trec.ts', '../../engine/cross-encoder.js'],
  ['src/models/checkpoint.ts', '../tokenize/pair-tokenizer.js'],
  ['src/evaluate/evaluate.ts', '../report/table.js'],
  ['src/engine/cross-encoder.ts', '../index.js'],
  ['src/cli/main.ts', '../index.js'],
];

for (const [file, specifier] of backwards) {
  test(`${file} may not import ${specifier}`, async () => {
    assert.equal(await rulesBroken(file, `import * as x from '${specifier}';\nx;\n`), ['no-restricted-imports']);
    assert.equal(await rulesBroken(file, `import type { X } from '${specifier}';\n`), ['no-restricted-imports']);
    assert.equal(await rulesBroken(file, `export * from '${specifier}';\n`), ['no-restricted-imports']);
    assert.equal(await rulesBroken(file, `await import('${specifier}');\n`), ['no-restricted-syntax']);
  });
}

test('forwards is allowed', async () => {
  assert.equal(
    await rulesBroken(
      'src/engine/cross-encoder.ts',
      "import '../errors.js';\nimport '../tokenize/pair-tokenizer.js';\n",
    ),
    [],
  );
  assert.equal(
    await rulesBroken('src/engine/cross-encoder.ts', "import './native-error.js';\nawait import('zod');\n"),
    [],
  );
  assert.equal(
    await rulesBroken('src/cli/main.ts', "import '../data/records.js';\nawait import('../engine/x.js');\n"),
    [],
  );
});

test('the lint rule and CONTRIBUTING.md name the folders that there are, in one order', async () => {
  const entries = await readdir(new URL('../../src', import.meta.url), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  assert.equal(FOLDERS.toSorted(), folders.sort());
  const rows = (await readFile(new URL('../../CONTRIBUTING.md', import.meta.url), 'utf8')).match(/^\| `src\/.*$/gm);
  const named = rows!.flatMap((row) => [...row.split('|')[1]!.matchAll(/`src\/([a-z-]+)\/`/g)].map(([, name]) => name));
  assert.equal(named, FOLDERS);
});

test.run();
