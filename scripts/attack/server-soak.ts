// `npm run soak:serve`: a server that answers an hour's requests, hostile ones among them, and must not grow. The server is
// this process, so that it can collect its garbage before it is looked at; its clients are another one.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { modelFolder } from '../../test/support/models.js';
import type { LogEntry } from '../../src/serve/options.js';
import type { RerankServer, serve as Serve } from '../../src/serve/serve.js';
import { numberOf, runScript } from '../lib/command.js';
import { root } from '../lib/root.mjs';
import { LIMITS } from './hostile-requests.js';
import { findings, judge, lookAtSelf, tellLook, type Look } from './looks.js';
import { openTarget } from './package.js';
import type { Answered, Load } from './server-load.js';

const LOOKS = 20;
const WAIT_MS = 20;
const MOST_WAITS = 500;
const CLIENTS = new URL('server-load.ts', import.meta.url).pathname;

const USAGE = `usage: npm run soak:serve -- [--requests 36000] [--connections 10000] [--growth 2] [--seed S] [--package FOLDER]

A server of a tiny model answers requests from another process, 16 at a time, and one hostile request (half bodies, slow heads, damaged
JSON and HTTP, clients that leave) for every ten; at the start and at the end --connections stand beside them that say nothing. Fails
where an answer is not to the bit what it is alone, where one is missing, where the server logs a failure, where file descriptors or
threads have changed, and where anonymous memory has grown or shrunk by more than --growth percent (0: not judged).

36,000 are an hour at 10 requests a second: about what MiniLM-L6 gives on two cores for 10 documents of 100 tokens.`;

const option = { type: 'string' } as const;
const options = { requests: option, connections: option, growth: option, seed: option, package: option };

await runScript(USAGE, options, async (values) => {
  const whole = 'a whole number above 0';
  const requests = numberOf('requests', values.requests, whole) ?? 36_000;
  const connections = numberOf('connections', values.connections, 'a number of at least 0') ?? 10_000;
  const growth = numberOf('growth', values.growth, 'a number of at least 0') ?? 2;
  const seed = numberOf('seed', values.seed, 'a number of at least 0') ?? 1;
  const target = await openTarget(values.package ?? root);
  const { serve } = await target.load<{ serve: typeof Serve }>('serve/serve');
  const failures: LogEntry[] = [];
  const onLog = (entry: LogEntry): void => void (entry.level === 'error' && failures.push(entry));
  await using server = await serve({ models: { tiny: modelFolder() }, port: 0, ...LIMITS, onLog });
  await using clients = startClients(server);
  const looks: Look[] = [];
  const start = performance.now();
  for (let i = 0; i < LOOKS; i++) {
    const crowd = i === 0 || i === LOOKS - 1 ? connections : 0;
    const { failure } = await clients.run({ requests: Math.ceil(requests / LOOKS), crowd, seed, epoch: i });
    if (failure !== undefined) throw new Error(failure);
    await disconnected();
    const look = await lookAtSelf();
    looks.push(look);
    tellLook(look, i + 1, LOOKS);
  }
  const rate = (requests / (performance.now() - start)) * 1000;
  console.log(
    `${requests} requests answered rightly, ${rate.toFixed(0)} a second, ${connections} idle connections twice`,
  );
  judge([...findings(looks, growth), ...failures.map((entry) => `the log says ${JSON.stringify(entry)}`)]);
});

/** Waits until this process has heard that its clients have closed their connections, which takes time on a busy machine. */
async function disconnected(): Promise<void> {
  for (let i = 0; process.getActiveResourcesInfo().includes('TCPSocketWrap'); i++) {
    if (i === MOST_WAITS) throw new Error('connections that the clients have closed stay open');
    await sleep(WAIT_MS);
  }
}

function startClients({ url }: RerankServer) {
  const child = fork(CLIENTS, [url]);
  let hear: (answered: Answered) => void = () => undefined;
  child.on('message', (answered: Answered) => hear(answered));
  const exit = once(child, 'exit').then(([code, signal]) => hear({ failure: `the clients ended: ${code ?? signal}` }));
  return {
    run(load: Load): Promise<Answered> {
      return new Promise((resolve) => {
        hear = resolve;
        child.send(load);
      });
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect();
      await exit;
    },
  };
}
