// A child process of the attack: runs tries of one kind and tells the parent after each. Its parent survives it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { RandomStream } from '../../src/random/random-stream.js';
import { Broken, type Api, type Kind, type Outcome, type Told } from './kind.js';

const [module, seed, from, to, step, packageFolder] = process.argv.slice(2) as [string, ...string[]];
const sources = new URL('../../', import.meta.url);
const base = packageFolder ? pathToFileURL(`${packageFolder}/`) : sources;
const entry = packageFolder ? 'dist/index.js' : 'src/index.ts';
const main = new URL(packageFolder ? 'dist/cli/main.js' : 'src/cli/main.ts', base).pathname;
const loader = new URL('scripts/lib/load-typescript.mjs', sources).href;

const api = (await import(new URL(entry, base).href)) as Api;
const { kind } = (await import(module)) as { kind: Kind };
const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-attack-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
process.env['XDG_CACHE_HOME'] = join(folder, 'cache');

const command = packageFolder ? [process.execPath, main] : [process.execPath, '--import', loader, main];
const run = await kind.open({ api, command, folder });

function outcomeOf(error: unknown): Outcome {
  if (error instanceof Broken) return 'wrong';
  return error instanceof api.RankDistillmError ? 'refused' : 'raw error';
}

function tell(told: Told): Promise<void> {
  return new Promise((resolve, reject) =>
    process.send!(told, (error: Error | null) => (error ? reject(error) : resolve())),
  );
}

for (let index = Number(from); index < Number(to); index += Number(step)) {
  const told: Told = { index, outcome: 'worked' };
  try {
    await run(new RandomStream({ seed: Number(seed), purpose: kind.name, epoch: 0, item: String(index) }), index);
  } catch (error) {
    told.outcome = outcomeOf(error);
    told.message =
      told.outcome === 'raw error' ? String((error as Error | undefined)?.stack ?? error) : (error as Error).message;
  }
  await tell(told);
}
process.disconnect();
process.exit();
