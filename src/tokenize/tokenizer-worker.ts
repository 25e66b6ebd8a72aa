/** Entry point of a tokenizer thread, see `TokenizerPool`. */
import { workerData } from 'node:worker_threads';
import { answerRequests } from '../io/request-thread.js';
import { buildTokenizer } from './load-tokenizer.js';
import { openForOthers, readDescription, sidesOf } from './open-tokenizer.js';
import type { Sides, SideTokenizer } from './side-tokenizer.js';
import { packSides, type TokenizerAnswer, type TokenizerRequest, type TokenizerStart } from './tokenizer-pool.js';

const start = workerData as TokenizerStart | undefined;
let tokenizers: Sides<SideTokenizer> | undefined =
  start && sidesOf(buildTokenizer(readDescription(start)), start.lengths);

async function answer(request: TokenizerRequest): Promise<TokenizerAnswer> {
  if ('open' in request) {
    const { sides, opened } = await openForOthers(request.open);
    tokenizers = sides;
    return opened;
  }
  const { side, texts, whole } = request;
  const tokenizer = tokenizers![side];
  if (!whole) return packSides(await tokenizer.tokenize(texts));
  return packSides(await Promise.all(texts.map((text) => tokenizer.tokenizeWhole(text))));
}

answerRequests(answer, (found) => ('ids' in found ? [found.ids.buffer, found.counts.buffer] : []));
