// Writes what follows from the declarations of the settings: the tables in docs/cli.md, and configs/schema.json.
// usage: node --import tsx scripts/generate-settings.ts
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { keyGroups, type KeyGroup } from '../src/config/describe.js';
import { settingsSchema } from './settings-schema.js';

export const SCHEMA = fileURLToPath(new URL('../configs/schema.json', import.meta.url));

/** The text of configs/schema.json. */
export function schemaText(): string {
  return `${JSON.stringify(settingsSchema(), null, 1)}\n`;
}

const START = '<!-- keys: made by scripts/generate-settings.ts from src/config/schema -->';
const END = '<!-- /keys -->';

export const DOCS = fileURLToPath(new URL('../docs/cli.md', import.meta.url));

const cell = (text: string): string => text.replaceAll('|', '\\|');

function section({ owner, rows }: KeyGroup): string {
  const listed = rows.filter((row) => row.use !== 'ignored');
  const ignored = rows.filter((row) => row.use === 'ignored').map((row) => `\`${row.key}\``);
  const lines = listed.map((row) => {
    const doc = `${row.use === 'used' ? '' : `(${row.use}) `}${row.doc}`;
    const fallback = row.default === '' ? '' : row.default === 'required' ? 'required' : `\`${row.default}\``;
    return `| \`${row.key}\` | ${cell(row.type)} | ${cell(fallback)} | ${cell(doc)} |`;
  });
  return [
    `### ${owner === '' ? 'Top level' : `\`${owner}\``}`,
    '',
    '| key | takes | default | meaning |',
    '|---|---|---|---|',
    ...lines,
    ...(ignored.length > 0 ? ['', `Accepted and without effect: ${ignored.join(', ')}.`] : []),
  ].join('\n');
}

/** The tables of keys in docs/cli.md. */
export function keyTables(): string {
  const sections = keyGroups().flatMap((group) => (group.rows.length > 0 ? [section(group)] : []));
  return `${START}\n\n${sections.join('\n\n')}\n\n${END}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await readFile(DOCS, 'utf8');
  const from = text.indexOf(START);
  const to = text.indexOf(END) + END.length;
  await writeFile(DOCS, text.slice(0, from) + keyTables() + text.slice(to));
  await writeFile(SCHEMA, schemaText());
}
