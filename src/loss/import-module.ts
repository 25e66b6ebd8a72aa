import { pathToFileURL } from 'node:url';

/** Node.js before 22.18 runs no TypeScript, newer ones strip its types but do not translate an enum, for example. */
const NOT_FOR_NODE = [
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
  'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING',
];

/**
 * Imports a JavaScript or TypeScript module of the user's: as Node.js (or tsx, where we run under it) does it, and where
 * that cannot, through jiti, which translates in memory. A SyntaxError may mean no more than that the nearest
 * package.json calls the folder CommonJS, so jiti has the last word on it, and names file and line.
 *
 * @param path absolute
 * @returns the module's namespace
 * @throws whatever the module throws
 */
export async function importModule(path: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError) && !NOT_FOR_NODE.includes((error as NodeJS.ErrnoException)?.code ?? '')) {
      throw error;
    }
    const { createJiti } = await import('jiti');
    // no cache on disk: nothing is written that nobody asked for
    const jiti = createJiti(import.meta.url, { fsCache: false, interopDefault: false });
    return jiti.import(path);
  }
}
