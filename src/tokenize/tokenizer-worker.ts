/** The program of a tokenizer thread, see `TokenizerPool`. */
import { parentPort, workerData } from 'node:worker_threads';
import { RankDistillmError } from '../errors.js';
import { sentError } from '../io/thread.js';
import { buildTokenizer, type TokenizerDescription } from './load-tokenizer.js';
import { packSides } from './packed-sides.js';
import { createSideTokenizers } from './side-tokenizer.js';
import type { WorkerReply, WorkerRequest, WorkerStart } from './worker-messages.js';

const port = parentPort!;
const { description, lengths } = workerData as WorkerStart;
const tokenizers = createSideTokenizers(buildTokenizer(JSON.parse(description) as TokenizerDescription), lengths);

function reply(message: WorkerReply, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

async function answer({ id, side, texts }: WorkerRequest): Promise<void> {
  try {
    const sides = packSides(await tokenizers[side].tokenize(texts));
    reply({ type: 'encoded', id, sides }, [sides.ids.buffer, sides.counts.buffer]);
  } catch (error) {
    // anything else is a fault of this package and ends the thread
    if (!(error instanceof RankDistillmError)) throw error;
    reply({ type: 'failed', id, error: sentError(error) });
  }
}

port.on('message', (request: WorkerRequest) => void answer(request));
reply({ type: 'ready' });
