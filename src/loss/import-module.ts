import { pathToFileURL } from 'node:url';

/** Node.js before 22.18 does not run TypeScript; newer versions strip types but do not support enums, for example. */
const NOT_FOR_NODE = [
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
  'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING',
];

/**
 * Imports a JavaScript or TypeScript module of the user with Node.js (or tsx if we run under it), or, if that fails,
 * with jiti, which compiles in memory. It retries after a SyntaxError as well, because the nearest package.json may
 * only have declared the folder CommonJS; if the code is invalid, jiti's error names file and line.
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
    // no cache on disk: do not write files that the user did not ask for
    const jiti = createJiti(import.meta.url, { fsCache: false, interopDefault: false });
    return jiti.import(path);
  }
}
