import { parentPort } from 'node:worker_threads';
import { RankDistillmError } from '../errors.js';
import type { ReplyMessage, RequestMessage } from './request-thread.js';
import { sentError } from './thread.js';

/**
 * The other end of a `RequestThread`, called once by its program. A RankDistillmError is a request's answer; anything else
 * that is thrown is a fault of this package and ends the thread.
 *
 * @param transfer what of an answer moves to the main thread instead of being copied
 */
export function answerRequests<Request, Answer>(
  answer: (request: Request) => Answer | Promise<Answer>,
  transfer: (answer: Answer) => ArrayBuffer[] = () => [],
): void {
  const port = parentPort!;
  const reply = (message: ReplyMessage<Answer>, moved: ArrayBuffer[] = []): void => port.postMessage(message, moved);
  const take = async ({ id, request }: RequestMessage<Request>): Promise<void> => {
    try {
      const found = await answer(request);
      reply({ type: 'answer', id, answer: found }, transfer(found));
    } catch (error) {
      if (!(error instanceof RankDistillmError)) throw error;
      reply({ type: 'failed', id, error: sentError(error) });
    }
  };
  port.on('message', (message: RequestMessage<Request>) => void take(message));
  reply({ type: 'ready' });
}
