import { expectedPairs, modelFolder } from '../../../test/support/models.js';
import { ServerProcess } from '../../lib/server-process.js';
import { attackServer, GoodRequest, LIMITS } from '../hostile-requests.js';
import { Broken, type Kind } from '../kind.js';

const LIMIT_OPTIONS = [
  ['--max-body-bytes', LIMITS.maxBodyBytes],
  ['--max-documents', LIMITS.maxDocuments],
  ['--max-waiting', LIMITS.maxWaiting],
  ['--request-timeout', LIMITS.requestTimeout],
]
  .flat()
  .map(String);

/** Hostile requests to a server that answers others meanwhile: their answers stay the same, to the bit. */
export const kind: Kind = {
  name: 'requests to a server',
  tries: { full: 20_000, short: 150 },
  seconds: 60,
  together: 8,
  async open({ api, command }) {
    const server = await ServerProcess.start(command, ['--model', modelFolder(), '--port', '0', ...LIMIT_OPTIONS]);
    process.on('exit', () => server.child.kill('SIGKILL'));
    const golden = await expectedPairs();
    const texts = golden.map(({ document }) => document);
    const good = await GoodRequest.ask(server.url, { query: golden[0]!.query, texts, truncate: true });

    return async (random) => {
      const [refusal] = await Promise.all([attackServer(server.port, random), good.check(server.url)]);
      await good.check(server.url);
      if (server.complaints.length > 0) throw new Broken(`the log says ${server.complaints.splice(0).join('\n')}`);
      if (refusal !== undefined) throw new api.RankDistillmError('bad_input', `status ${refusal}`);
    };
  },
};
