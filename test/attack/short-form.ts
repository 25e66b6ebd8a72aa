import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { attack } from '../../scripts/attack/attack.js';
import { loadKind } from '../../scripts/attack/kind.js';
import { KINDS } from '../../scripts/attack/kinds.js';
import { openTarget } from '../../scripts/attack/package.js';
import { COMPILED } from '../support/programs.js';

/** The kinds of attack, by test file: one file takes up to a minute on two cores. */
const FILES = {
  data: ['collections', 'configs', 'runs', 'tuples'],
  folders: ['cache-indexes', 'checkpoints', 'models', 'outputs', 'journals', 'planted-names', 'weights'],
  readers: ['evaluation', 'jsonl', 'parquet', 'pickles', 'qrels', 'safetensors', 'trec-runs', 'tsv', 'yaml'],
  processes: ['downloads', 'hostile-data', 'storms', 'index-kills'],
  kills: ['download-kills', 'fit-kills', 'kills', 'shard-kills'],
  ranks: ['rank-kills', 'rank-links'],
  servers: ['server-kills', 'servers'],
};

/** A test of the short form of each kind in a file. */
export function shortForms(file: keyof typeof FILES): Test {
  const test = suite(`attack: ${file}`);
  for (const name of FILES[file]) {
    test(`the short form of ${name} breaks nothing`, async () => {
      const module = KINDS.get(name)!;
      const lacking = await (await loadKind(module)).needs?.(await openTarget(COMPILED));
      if (lacking !== undefined) return console.log(`left out: ${name} needs ${lacking}`);
      const report = await attack(module, {
        seed: 1,
        tries: 'short',
        ...(COMPILED === undefined ? {} : { packageFolder: COMPILED }),
      });
      assert.equal(report.failures.slice(0, 5), []);
      // otherwise the attack would not reach past the first check, or change nothing
      const kind = await loadKind(module);
      for (const outcome of kind.gives ?? ['worked', 'refused']) assert.ok(report.outcomes[outcome] > 0, outcome);
    });
  }
  return test;
}

/** Every kind is in one of the files. */
export function checkFiles(): void {
  assert.equal(Object.values(FILES).flat().sort(), [...KINDS.keys()]);
}
