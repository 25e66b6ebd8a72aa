import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../support/files.js';
import { WEIGHT_FILES } from '../support/models.js';
import { fuzzWeightFiles } from './checkpoint-fuzz.js';

/** Small enough for CI; `FUZZ_COUNT=1000000 FUZZ_SEED=7` for a night. */
const count = Number(process.env['FUZZ_COUNT'] ?? 2_000);
const seed = Number(process.env['FUZZ_SEED'] ?? 1);

const test = suite('damaged weight files');

test(`${count} damaged files are read or refused, nothing else (seed ${seed})`, async () => {
  const report = await fuzzWeightFiles(WEIGHT_FILES, temporaryFolder(), count, seed);
  assert.is(report.files, count);
  assert.equal(report.failures.slice(0, 5), []);
  // otherwise the edits would not reach past the first check, or would change nothing
  assert.ok(report.read > count / 100 && report.refused > count / 3, `${report.read} read, ${report.refused} refused`);
});

test.run();
