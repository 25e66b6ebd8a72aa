import { readFile } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { API_DOCS, DOCS, keyTables, optionTables } from '../../scripts/generate-settings.js';

const test = suite('docs of the configuration');

test('docs/cli.md lists every key as the schema has it', async () => {
  const text = await readFile(DOCS, 'utf8');
  assert.ok(text.includes(keyTables()), 'run `node --import tsx scripts/generate-settings.ts`');
});

test('docs/api.md lists every option as the schema has it', async () => {
  const text = await readFile(API_DOCS, 'utf8');
  assert.ok(text.includes(optionTables()), 'run `node --import tsx scripts/generate-settings.ts`');
});

test.run();
