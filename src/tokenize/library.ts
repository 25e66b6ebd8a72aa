import { createRequire } from 'node:module';
import type * as tokenizers from 'tokenizers';
import { RankDistillmError } from '../errors.js';
import { platformFile, platformPackage } from '../io/platform-package.js';

const require = createRequire(import.meta.url);
let loaded: typeof tokenizers | undefined;

/**
 * Hugging Face's tokenizers: from our platform package, which holds its file for this platform, else from its npm package,
 * which holds those for all platforms (64 MB).
 *
 * @throws RankDistillmError `native`
 */
export function tokenizerLibrary(): typeof tokenizers {
  try {
    loaded ??= require(platformFile('tokenizers.node') ?? 'tokenizers') as typeof tokenizers;
    return loaded;
  } catch (cause) {
    const message = `the tokenizer library could not be loaded: ${(cause as Error).message}`;
    const hint = `Install ${platformPackage()} (npm install --include=optional), or where there is none, npm install tokenizers.`;
    throw new RankDistillmError('native', message, { hint, cause });
  }
}
