// `npm run attack`: damaged and hostile inputs of every kind, in child processes, with a table of how they ended.
import { formatTable } from '../../src/report/table.js';
import { numberOf, runScript } from '../lib/command.js';
import { SetupError } from '../lib/say.mjs';
import { attack, type Report } from './attack.js';
import { loadKind, OUTCOMES } from './kind.js';
import { KINDS } from './kinds.js';
import { openTarget } from './package.js';

const USAGE = `usage: npm run attack -- [KIND ...] [--full] [--tries N] [--from I] [--seed S] [--package FOLDER]

Runs damaged and hostile inputs against the package in child processes and prints how each kind ended. Fails where a
process died, hung or took too much memory, where a result was wrong, or where an error was not a RankDistillmError.
--full runs each kind's full number of tries, --tries a number of your own; --seed S --from I --tries 1 repeats one try.
--package attacks an installed package (a folder with dist/) instead of the sources.`;

const option = { type: 'string' } as const;

await runScript(
  USAGE,
  { full: { type: 'boolean' }, tries: option, from: option, seed: option, package: option },
  async (values, names) => {
    const unknown = names.find((name) => !KINDS.has(name));
    if (unknown !== undefined)
      throw new SetupError(`${unknown}: no such kind`, `There are: ${[...KINDS.keys()].join(', ')}`);
    const seed = numberOf('seed', values.seed, 'a number of at least 0') ?? 1;
    const target = await openTarget(values.package);
    const reports: Report[] = [];
    for (const name of names.length > 0 ? names : KINDS.keys()) {
      const lacking = await (await loadKind(KINDS.get(name)!)).needs?.(target);
      if (lacking !== undefined) {
        console.error(`${name}: left out, it needs ${lacking}`);
        continue;
      }
      const report = await attack(KINDS.get(name)!, {
        seed,
        tries: numberOf('tries', values.tries, 'a whole number above 0') ?? (values.full ? 'full' : 'short'),
        from: numberOf('from', values.from, 'a number of at least 0') ?? 0,
        ...(values.package === undefined ? {} : { packageFolder: values.package }),
      });
      reports.push(report);
      const rate = Math.round(report.tries / report.seconds);
      console.error(`${name}: ${report.tries} tries in ${Math.round(report.seconds)} s, ${rate} a second`);
      const peaks = Object.entries(report.peaks).filter(([, megabytes]) => megabytes > 0);
      const held = peaks.map(([which, megabytes]) => `${Math.round(megabytes)} MiB ${which}`);
      console.error(`  a process held at most ${held.join(', ')}; ${report.again} tries ran again, alone`);
      for (const { index, outcome, message } of report.failures.slice(0, 10)) {
        console.error(`  ${outcome} in try ${index} (seed ${seed}): ${message ?? ''}`);
      }
    }
    const columns = ['kind', 'tries', ...OUTCOMES].map((head) => ({ head }));
    const rows = reports.map(({ name, tries, outcomes }) => [
      name,
      tries,
      ...OUTCOMES.map((outcome) => outcomes[outcome]),
    ]);
    console.log(formatTable(columns, rows));
    if (reports.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
  },
);
