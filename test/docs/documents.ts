import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** A fenced block of a document. */
export interface Block {
  /** Where it begins, for example `docs/api.md:12`. */
  place: string;
  language: string;
  text: string;
}

/** Every document that a reader sees, by its path in the repository. */
export function documents(): string[] {
  const inDocs = readdirSync(`${root}docs`, { recursive: true }) as string[];
  return [
    ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'examples/README.md'],
    ...inDocs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
  ];
}

export function readDocument(path: string): string {
  return readFileSync(`${root}${path}`, 'utf8');
}

export function blocksOf(path: string): Block[] {
  const blocks: Block[] = [];
  let open: Block | undefined;
  for (const [i, line] of readDocument(path).split('\n').entries()) {
    const fence = /^```(\w*)$/.exec(line);
    if (fence && !open) open = { place: `${path}:${i + 1}`, language: fence[1]!, text: '' };
    else if (fence) {
      blocks.push(open!);
      open = undefined;
    } else if (open) open.text += `${line}\n`;
  }
  return blocks;
}

export function allBlocks(...languages: readonly string[]): Block[] {
  return documents()
    .flatMap(blocksOf)
    .filter(({ language }) => languages.includes(language));
}
