import { readdirSync } from 'node:fs';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { attack } from '../../scripts/attack/attack.js';
import type { Kind } from '../../scripts/attack/kind.js';

const KINDS = new URL('../../scripts/attack/kinds/', import.meta.url);

/** The kinds of attack, by test file: one file takes half a minute on two cores. */
const FILES = {
  data: ['collections', 'configs', 'qrels', 'runs', 'tuples'],
  folders: ['cache-indexes', 'checkpoints', 'models', 'outputs', 'planted-names', 'weights'],
  processes: ['downloads', 'fit-kills', 'hostile-data', 'kills', 'storms'],
};

/** A test of the short form of each kind in a file. */
export function shortForms(file: keyof typeof FILES): Test {
  const test = suite(`attack: ${file}`);
  for (const name of FILES[file]) {
    test(`the short form of ${name} breaks nothing`, async () => {
      const module = new URL(`${name}.ts`, KINDS).href;
      const report = await attack(module, { seed: 1, tries: 'short' });
      assert.equal(report.failures.slice(0, 5), []);
      // otherwise the attack would not reach past the first check, or change nothing
      const { kind } = (await import(module)) as { kind: Kind };
      for (const outcome of kind.gives ?? ['worked', 'refused']) assert.ok(report.outcomes[outcome] > 0, outcome);
    });
  }
  return test;
}

/** Every kind is in one of the files. */
export function checkFiles(): void {
  const kinds = readdirSync(KINDS).map((name) => name.replace(/\.ts$/, ''));
  assert.equal(Object.values(FILES).flat().sort(), kinds.sort());
}
