import { setTimeout as sleep } from 'node:timers/promises';
import { expectedPairs, modelFolder } from '../../../test/support/models.js';
import { ServerProcess } from '../../lib/server-process.js';
import { GoodRequest } from '../hostile-requests.js';
import { Broken, type Kind } from '../kind.js';

const CLIENTS = 8;
const LONGEST_MS = 600;
/** A request that was sent so long before SIGTERM has arrived. */
const ARRIVED_MS = 100;

/**
 * A server under load is told to end, or killed. Told to end, it answers what has arrived and ends with 0; killed, it
 * starts again on the same port. No answer is wrong.
 */
export const kind: Kind = {
  name: 'a server killed under load',
  tries: { full: 100, short: 4 },
  gives: ['worked'],
  seconds: 120,
  async open({ command }) {
    const golden = await expectedPairs();
    const texts = golden.map(({ document }) => document);
    const body = { query: golden[0]!.query, texts, truncate: true };
    const start = (port: number) => ServerProcess.start(command, ['--model', modelFolder(), '--port', String(port)]);

    return async (random, index) => {
      const server = await start(0);
      const good = await GoodRequest.ask(server.url, body);
      let toldAt = Infinity;
      const client = async (): Promise<void> => {
        for (;;) {
          const sentAt = performance.now();
          try {
            await good.check(server.url);
          } catch (error) {
            if (error instanceof Broken) throw error;
            if (toldAt === Infinity) throw new Broken(`an answer is missing: ${(error as Error).message}`);
            if (signal === 'SIGTERM' && sentAt + ARRIVED_MS < toldAt) throw new Broken('a request in work is lost');
            return; // the server is gone
          }
        }
      };
      const signal = index % 2 === 0 ? 'SIGTERM' : 'SIGKILL';
      const clients = Promise.all(Array.from({ length: CLIENTS }, client));
      await Promise.race([sleep(random.below(LONGEST_MS)), clients]);
      toldAt = performance.now();
      const [end] = await Promise.all([server.end(signal), clients]);
      if (signal === 'SIGTERM') {
        if (end !== 0) throw new Broken(`SIGTERM ended it with ${end}: ${server.complaints.join('\n')}`);
        return;
      }
      await using next = await start(server.port);
      await good.check(next.url);
    };
  },
};
