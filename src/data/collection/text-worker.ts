/** Entry point of the text-reading thread, see `TextThread`. */
import { workerData } from 'node:worker_threads';
import { answerRequests } from '../../io/request-thread.js';
import type { SharedIndex } from './document-index.js';
import type { TextSource } from './text-places.js';
import { type TextBlock, TextReader } from './text-reader.js';
import type { TextRequest } from './text-thread.js';

const { source, index } = workerData as { source: TextSource; index: SharedIndex };
const reader = new TextReader(source, index);

answerRequests(
  ({ docIds, run, spare }: TextRequest) => reader.read(docIds, run, spare),
  (answer) => answer.flatMap((part: TextBlock | string) => (typeof part === 'string' ? [] : part.buffer)),
);
