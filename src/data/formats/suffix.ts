import { basename, extname } from 'node:path';

/** The suffix that tells the format: the last one in lower case, `.gz` not counted; empty where there is none. */
export function formatSuffix(path: string): string {
  return extname(withoutGz(basename(path))).toLowerCase();
}

/** A file's name without folder and `.gz`. */
export function withoutGz(name: string): string {
  return name.toLowerCase().endsWith('.gz') ? name.slice(0, -3) : name;
}
