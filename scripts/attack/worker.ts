// A child process of the attack: runs tries of one kind and tells the parent after each group. Its parent survives it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RandomStream } from '../../src/random/random-stream.js';
import { Broken, loadKind, type Failure, type Outcome, type Told } from './kind.js';
import { openTarget } from './package.js';

const [module, seed, from, to, step, together, packageFolder] = process.argv.slice(2) as [string, ...string[]];
const target = await openTarget(packageFolder);
const kind = await loadKind(module);
const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-attack-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
process.env['XDG_CACHE_HOME'] = join(folder, 'cache');

const run = await kind.open({ ...target, folder });

function outcomeOf(error: unknown): Outcome {
  if (error instanceof Broken) return 'wrong';
  return error instanceof target.api.RankDistillmError ? 'refused' : 'raw error';
}

function tell(told: Told): Promise<void> {
  return new Promise((resolve, reject) =>
    process.send!(told, (error: Error | null) => (error ? reject(error) : resolve())),
  );
}

async function attempt(index: number): Promise<Failure | 'worked' | 'refused'> {
  const random = new RandomStream({ seed: Number(seed), purpose: kind.name, epoch: 0, item: String(index) });
  try {
    await run(random, index, Number(together) === 1);
    return 'worked';
  } catch (error) {
    const outcome = outcomeOf(error);
    if (outcome === 'refused') return outcome;
    const { stack, message } = error as Error;
    return { index, outcome, message: outcome === 'raw error' ? String(stack ?? error) : message };
  }
}

await tell({ ready: true });
for (let index = Number(from); index < Number(to);) {
  const group: ReturnType<typeof attempt>[] = [];
  for (; index < Number(to) && group.length < Number(together); index += Number(step)) group.push(attempt(index));
  const ends = await Promise.all(group);
  const count = (outcome: Outcome): number => ends.filter((end) => end === outcome).length;
  const failures = ends.filter((end) => typeof end === 'object');
  await tell({ worked: count('worked'), refused: count('refused'), failures });
}
process.disconnect();
process.exit();
