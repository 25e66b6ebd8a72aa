import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { startProgram, type Rank } from '../../../test/support/ranks.js';
import { Broken, type Kind } from '../kind.js';
import { checkFault, mostSeconds, RankRun, spoken } from '../rank-runs.js';

const STEPS = 40;

/** Each rank of two and of three, killed, which for rank 0 is the store's host, and stopped. */
const PLACES = (['SIGKILL', 'SIGSTOP'] as const).flatMap((signal) =>
  [2, 3].flatMap((ranks) => Array.from({ length: ranks }, (_, victim) => ({ ranks, victim, signal }))),
);

/**
 * A rank of a training run dies or hangs at a random moment: the others end within the timeout with one error that names
 * it, and the same command continues, on as many ranks or on one, to the model of an undisturbed run.
 */
export const kind: Kind = {
  name: 'ranks of fit killed or stopped',
  gives: ['worked'],
  tries: { full: 10 * PLACES.length, short: 4 },
  seconds: 900,
  async open({ command, folder }) {
    const run = await RankRun.open({ folder, command, steps: STEPS });
    return async (random, index) => {
      // neighbours in one place would hide that another was never tried
      const { ranks, victim, signal } = PLACES[(index * 3) % PLACES.length]!;
      const { milliseconds: longest } = await run.whole(ranks, ranks);
      run.clear();
      const moment = random.float() * longest;
      if (random.below(3) === 0) await disturbLaunched();
      else await disturb(await run.start(ranks, ranks));
      await run.checkEnd(ranks, random.below(2) === 0 ? ranks : 1, ranks);

      async function disturb(started: Rank[]): Promise<void> {
        await spoken(started[0]!);
        await sleep(moment);
        const { child } = started[victim]!;
        const since = performance.now();
        child.kill(signal);
        try {
          for (const [rank, other] of started.entries()) {
            if (rank !== victim) await checkFault(other, { rank: victim, pid: child.pid }, since);
          }
        } finally {
          for (const rank of started) rank.child.kill('SIGKILL');
          await Promise.all(started.map(({ ended }) => ended));
        }
      }

      /** Under our launcher; killed at any moment after the start, also before the ranks have met. */
      async function disturbLaunched(): Promise<void> {
        const argv = run.argv(ranks, ranks, `--trainer.devices=${ranks}`);
        const launcher = startProgram([...command, ...argv], folder);
        const pid = await childOf(launcher, victim, ranks);
        if (signal === 'SIGSTOP') await spoken(launcher);
        await sleep(signal === 'SIGSTOP' ? moment : random.float() * 2 * longest);
        if (pid === undefined || launcher.child.exitCode !== null || !isAlive(pid)) return void (await launcher.ended);
        process.kill(pid, signal);
        const most = 2 * mostSeconds();
        const end = await Promise.race([launcher.ended, sleep(most * 1000, undefined, { ref: false })]);
        if (end === undefined) {
          launcher.child.kill('SIGKILL');
          throw new Broken(`the launcher has not ended ${Math.round(most)} s after a rank`);
        }
        if (end.code === 0) return; // it had just done its work
        const errors = end.stderr.match(/^error: .*$/gm) ?? [];
        const label = `rank ${victim} (${hostname()}, process ${pid})`;
        if (errors.length !== 1 || !errors[0].includes(label)) {
          throw new Broken(`exit code ${end.code}, not one error that names ${label}: ${end.stderr}`);
        }
      }
    };
  },
};

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The process of a rank that our launcher has started; undefined if the launcher has ended. */
async function childOf({ child }: Rank, rank: number, ranks: number): Promise<number | undefined> {
  while (child.exitCode === null) {
    const pids = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number);
    const found = pids.filter((pid) => pid > 0);
    if (found.length >= ranks) {
      const own = found.find((pid) =>
        readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`RANK=${rank}`),
      );
      if (own !== undefined) return own;
    }
    await sleep(20);
  }
  return undefined;
}
