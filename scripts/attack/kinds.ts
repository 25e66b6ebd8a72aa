import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { kinds as readers } from './readers.js';

const FOLDER = new URL('kinds/', import.meta.url);

/** The module of each kind of attack, see `loadKind`, by the name that the command line knows. */
export const KINDS: ReadonlyMap<string, string> = new Map(
  [
    ...readdirSync(FOLDER)
      .filter((name) => name.endsWith('.ts'))
      .map((name): [string, string] => [basename(name, '.ts'), new URL(name, FOLDER).href]),
    ...Object.keys(readers).map((name): [string, string] => [
      name,
      new URL(`readers.ts#${name}`, import.meta.url).href,
    ]),
  ].sort(([a], [b]) => (a < b ? -1 : 1)),
);
