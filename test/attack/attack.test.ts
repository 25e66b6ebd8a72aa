import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { attack } from '../../scripts/attack/attack.js';
import type { Kind } from '../../scripts/attack/kind.js';

const KINDS = new URL('../../scripts/attack/kinds/', import.meta.url);

const test = suite('attack');

test('a wrong result, a raw error, a death, a hang and swallowed memory are each told, and the tries go on', async () => {
  const { outcomes, failures } = await attack(new URL('planted.ts', import.meta.url).href, { seed: 1, tries: 'short' });
  assert.equal(outcomes, { worked: 1, refused: 1, wrong: 1, 'raw error': 1, died: 1, hung: 1, memory: 1 });
  const broken = failures.sort((a, b) => a.index - b.index).map(({ index, outcome }) => `${index} ${outcome}`);
  assert.equal(broken, ['2 wrong', '3 raw error', '4 died', '5 hung', '6 memory']);
});

for (const name of readdirSync(KINDS)) {
  test(`the short form of ${name} breaks nothing`, async () => {
    const report = await attack(new URL(name, KINDS).href, { seed: 1, tries: 'short' });
    assert.equal(report.failures.slice(0, 5), []);
    // otherwise the attack would not reach past the first check, or change nothing
    const { kind } = (await import(new URL(name, KINDS).href)) as { kind: Kind };
    for (const outcome of kind.gives ?? ['worked', 'refused']) assert.ok(report.outcomes[outcome] > 0, outcome);
  });
}

test.run();
