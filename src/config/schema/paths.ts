import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { key, unwrap, type KeyUse } from './fields.js';

const paths = new WeakSet<z.ZodType>();

/** Text that may be the path of a file or folder. A configuration may begin it with `~` and name `$VARIABLES` in it. */
export function pathText() {
  const schema = z.string().min(1);
  paths.add(schema);
  return schema;
}

export function outputFolder(doc: string, use: KeyUse) {
  return key(pathText().nullable().default(null), doc, use);
}

export function isPath(schema: z.ZodType): boolean {
  return paths.has(unwrap(schema));
}

/** `~/runs` and `$SCRATCH/runs` as a shell reads them, since Lightning does. A variable that is not set stays as it is. */
export function expandPath(path: string): string {
  const home = path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
  return home.replace(/\$(?:(\w+)|\{(\w+)\})/g, (written, plain?: string, braced?: string) => {
    return process.env[plain ?? braced ?? ''] ?? written;
  });
}
