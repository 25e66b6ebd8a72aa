import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { startProgram, type Rank } from '../../../test/support/ranks.js';
import { Broken, type Kind } from '../kind.js';
import { checkFault, lacksRanks, mostSeconds, RankRun, spoken } from '../rank-runs.js';

const STEPS = 40;
/** A moment may fall after the run's end, which disturbs nothing; so many in a row would mean that none is ever met. */
const MOST_MOMENTS = 20;

/** Each rank of two and of four, killed, which for rank 0 is the store's host, and stopped. */
const PLACES = (['SIGKILL', 'SIGSTOP'] as const).flatMap((signal) =>
  [2, 4].flatMap((ranks) => Array.from({ length: ranks }, (_, victim) => ({ ranks, victim, signal }))),
);

/**
 * A rank of a training run dies or hangs at a random moment: the others end within the timeout with one error that names
 * it, and the same command continues, on as many ranks or on one, to the model of an undisturbed run. A moment counts only
 * where the rank was at work, so that the others had to tell of it.
 */
export const kind: Kind = {
  name: 'ranks of fit killed or stopped',
  gives: ['worked'],
  tries: { full: 10 * PLACES.length, short: 3 },
  seconds: 900,
  needs: lacksRanks,
  async open({ command, folder }) {
    const run = await RankRun.open({ folder, command, steps: STEPS });
    return async (random, index) => {
      // neighbours in one place would hide that another was never tried
      const { ranks, victim, signal } = PLACES[(index * 5) % PLACES.length]!;
      const { milliseconds: longest } = await run.whole(ranks, ranks);
      const isLaunched = random.below(3) === 0;
      let moments = 0;
      do {
        if (++moments > MOST_MOMENTS) throw new Broken(`no rank was at work at ${MOST_MOMENTS} moments`);
        run.clear();
      } while (!(await (isLaunched ? disturbLaunched() : disturb())));
      await run.checkEnd(ranks, random.below(2) === 0 ? ranks : 1, ranks);

      /** Whether the other ranks had to tell of it. */
      async function disturb(): Promise<boolean> {
        const started = await run.start(ranks, ranks);
        await spoken(started[0]!);
        await sleep(random.float() * longest);
        const { child } = started[victim]!;
        const since = performance.now();
        child.kill(signal);
        try {
          const others = started.filter((_, rank) => rank !== victim);
          const told = await Promise.all(
            others.map((other) => checkFault(other, { rank: victim, pid: child.pid }, since)),
          );
          return told.every((isTold) => isTold);
        } finally {
          for (const rank of started) rank.child.kill('SIGKILL');
          await Promise.all(started.map(({ ended }) => ended));
        }
      }

      /** Under our launcher; killed at any moment after the start, also before the ranks have met. */
      async function disturbLaunched(): Promise<boolean> {
        const argv = run.argv(ranks, ranks, `--trainer.devices=${ranks}`);
        const launcher = startProgram([...command, ...argv], folder);
        const pid = await childOf(launcher, victim, ranks);
        if (signal === 'SIGSTOP') await spoken(launcher);
        await sleep(signal === 'SIGSTOP' ? random.float() * longest : random.float() * 2 * longest);
        if (pid !== undefined && launcher.child.exitCode === null && isAlive(pid)) process.kill(pid, signal);
        const most = 2 * mostSeconds();
        const end = await Promise.race([launcher.ended, sleep(most * 1000, undefined, { ref: false })]);
        if (end === undefined) {
          launcher.child.kill('SIGKILL');
          throw new Broken(`the launcher has not ended ${Math.round(most)} s after a rank`);
        }
        if (end.code === 0) return false;
        const errors = end.stderr.match(/^error: .*$/gm) ?? [];
        const label = `rank ${victim} (${hostname()}, process ${pid})`;
        if (errors.length !== 1 || !errors[0].includes(label)) {
          throw new Broken(`exit code ${end.code}, not one error that names ${label}: ${end.stderr}`);
        }
        return true;
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
