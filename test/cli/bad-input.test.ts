import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import { RE_RANK } from './bad-input/cases.js';
import { CONFIGURATION } from './bad-input/configuration.js';
import { DATA } from './bad-input/data.js';
import { EVALUATION } from './bad-input/evaluation.js';
import { FITTING } from './bad-input/fit.js';
import { MODELS } from './bad-input/models.js';
import { OUTPUTS } from './bad-input/output.js';
import { SCORING } from './bad-input/scoring.js';
import { run } from '../support/cli.js';
import { writeCollection } from '../support/collections.js';
import { inFolder, listing, useOwnCache } from '../support/files.js';

const test = suite('bad input');
useOwnCache(test);

for (const { what, code, message, prepare, spoil, argv } of [
  ...CONFIGURATION,
  ...DATA,
  ...MODELS,
  ...OUTPUTS,
  ...SCORING,
  ...EVALUATION,
  ...FITTING,
]) {
  test(what, () =>
    inFolder(async (folder) => {
      await (prepare ?? writeCollection)(folder);
      await spoil?.(folder);
      const before = await listing(folder);
      const result = await run(argv ?? RE_RANK, { cwd: folder });
      if (process.env['SHOW']) console.log(`${what}\n${result.stderr}`);
      assert.is(result.code, 2, result.stderr);
      const { error } = result;
      if (!(error instanceof RankDistillmError)) throw error;
      assert.match(error.message, message);
      assert.is(error.code, code);
      const lines = result.stderr.trimEnd().split('\n');
      assert.equal(lines.slice(-2), [`error: ${error.message}`, `hint: ${error.hint}`]);
      assert.ok(
        lines.slice(0, -2).every((line) => line.startsWith('warning: ')),
        result.stderr,
      );
      assert.is(result.stdout, '');
      assert.equal(await listing(folder), before);
    }),
  );
}

test.run();
