/** Entry point of a tokenizer thread, see `TokenizerPool`. */
import { workerData } from 'node:worker_threads';
import { answerRequests } from '../io/request-thread.js';
import { buildTokenizer, type TokenizerDescription } from './load-tokenizer.js';
import { createSideTokenizers } from './side-tokenizer.js';
import { packSides, type PackedSides, type TokenizerRequest, type TokenizerStart } from './tokenizer-pool.js';

const { description, lengths } = workerData as TokenizerStart;
const tokenizers = createSideTokenizers(buildTokenizer(JSON.parse(description) as TokenizerDescription), lengths);

async function tokenize({ side, texts }: TokenizerRequest): Promise<PackedSides> {
  return packSides(await tokenizers[side].tokenize(texts));
}

answerRequests(tokenize, ({ ids, counts }) => [ids.buffer, counts.buffer]);
