/** A program that tokenizes with two threads, prints what came out and leaves without closing anything. */
import { isMainThread, Worker } from 'node:worker_threads';
import { createPairTokenizer } from '../../src/tokenize/pair-tokenizer.js';
import { nastyTexts } from './nasty-texts.js';
import { checkpointOf } from '../support/models.js';
import { LOADER } from '../support/programs.js';

async function encode(): Promise<void> {
  const tokenizer = await createPairTokenizer(checkpointOf('uncased-vocab'), { threads: 2 });
  const pairs = await tokenizer.encodePairs(nastyTexts(300).map((text) => ({ query: 'a', document: text })));
  console.log(`${isMainThread ? 'main' : 'worker'} ${pairs.reduce((sum, pair) => sum + pair.inputIds.length, 0)}`);
}

if (isMainThread && process.argv[2] === 'nested') {
  const code = `import '${LOADER}'; await import(${JSON.stringify(import.meta.url)});`;
  new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
} else {
  await encode();
}
