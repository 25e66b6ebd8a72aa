import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../support/files.js';
import { compareFiles, type Figures } from './trec-eval-files.js';

const test = suite('trec_eval on odd files');
// written by scripts/references/trec-eval.ts
const golden = JSON.parse(readFileSync(new URL('golden/trec-eval.json', import.meta.url), 'utf8')) as {
  qrels: string;
  run: string;
  figures: Figures;
}[];

test('where trec_eval gives a figure, evaluate gives the same or refuses the file for one of the documented reasons', async () => {
  const folder = temporaryFolder();
  const [qrelsPath, runPath] = [join(folder, 'qrels.txt'), join(folder, 'x.run')];
  let equal = 0;
  for (const { qrels, run, figures } of golden) {
    writeFileSync(qrelsPath, qrels);
    writeFileSync(runPath, run);
    const { outcome, message } = await compareFiles(qrelsPath, runPath, figures);
    assert.is.not(outcome, 'different', `${message}\n${JSON.stringify({ qrels, run })}`);
    if (outcome === 'equal') equal += 1;
  }
  assert.ok(equal > (2 / 3) * golden.length, `${equal} of ${golden.length} are equal`);
});

test.run();
