import { setTimeout as sleep } from 'node:timers/promises';
import { Broken, type Kind } from '../kind.js';
import { checkFault, lacksRanks, RankRun, spoken, TIMEOUT_SECONDS } from '../rank-runs.js';
import { TwoHosts } from '../../lib/two-hosts.js';

const STEPS = 400;
const RANKS = 2;
/** TCP sends again after 0.2, 0.4, 0.8, … s, so that it may take as long again before the hosts hear of each other. */
const SHORT_CUT_SECONDS = 0.3 * TIMEOUT_SECONDS;

/**
 * The link between two hosts, one rank on each, is cut in the middle of training. Mended soon, training ends as if nothing
 * had been; mended later, each side has ended within the timeout with one error that names the other, and continues.
 */
export const kind: Kind = {
  name: 'the link between two hosts cut',
  gives: ['worked'],
  tries: { full: 10, short: 2 },
  seconds: 900,
  needs: async (target) => (process.getuid?.() === 0 ? await lacksRanks(target) : 'root, for network namespaces'),
  async open({ command, folder }) {
    const hosts = new TwoHosts();
    process.once('exit', () => hosts[Symbol.dispose]());
    const run = await RankRun.open({
      folder,
      command: (rank) => hosts.command(rank, command),
      variables: (rank, ranks, port) => hosts.variables(rank, ranks, port),
      steps: STEPS,
    });
    const { milliseconds: longest } = await run.whole(RANKS, RANKS);
    return async (random, index) => {
      run.clear();
      hosts.mend();
      const started = await run.start(RANKS, RANKS);
      try {
        await spoken(started[0]!);
        await sleep(random.float() * longest);
        const since = performance.now();
        hosts.cut();
        if (index % 2 === 0) {
          await sleep(SHORT_CUT_SECONDS * 1000 * random.float());
          hosts.mend();
          for (const { ended } of started) {
            const { code, stderr } = await ended;
            if (code !== 0) throw new Broken(`exit code ${code} after a link was mended in time: ${stderr}`);
          }
        } else {
          for (const [rank, other] of started.entries()) {
            const culprit = RANKS - 1 - rank;
            const { pid } = started[culprit]!.child;
            await checkFault(other, { rank: culprit, host: TwoHosts.hostName(culprit), pid }, since);
          }
          hosts.mend();
        }
      } finally {
        for (const { child } of started) child.kill('SIGKILL');
      }
      await run.checkEnd(RANKS, RANKS, RANKS);
    };
  },
};
