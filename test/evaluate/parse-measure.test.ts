import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseMeasure } from '../../src/evaluate/parse-measure.js';

const test = suite('measure names');

/** [as written, as ir_measures.parse_measure prints it] */
const NAMES: [string, string][] = [
  ['nDCG@10', 'nDCG@10'],
  ['NDCG@10', 'nDCG@10'],
  ['nDCG', 'nDCG'],
  ['nDCG(cutoff=10)', 'nDCG@10'],
  ['AP', 'AP'],
  ['MAP@1000', 'AP@1000'],
  ['MRR@10', 'RR@10'],
  ['RR', 'RR'],
  ['Precision@5', 'P@5'],
  ['Recall@100', 'R@100'],
  ['P(rel=2)@10', 'P(rel=2)@10'],
  ['P(rel=1)@10', 'P@10'],
  [' AP( rel = 2 ) @ 100 ', 'AP(rel=2)@100'],
  ['R(rel=2, cutoff=1_000)', 'R(rel=2)@1000'],
  ['IPrec@0.1', 'IPrec@0.1'],
  ['IPrec@1.0', 'IPrec@1.0'],
  ['RBP(p=0.9, rel=1)', 'RBP(p=0.9,rel=1)'],
  ['RBP(rel=1,p=0.8)', 'RBP(rel=1)'],
  ['nDCG(dcg="exp-log2", judged_only=False)@20', "nDCG(dcg='exp-log2')@20"],
  ['SetF(beta=2.0)', 'SetF(beta=2.0)'],
  ['NumRelRet', 'NumRet(rel=1)'],
  ['BPref', 'Bpref'],
  ['P(judged_only=True)@5', 'P(judged_only=True)@5'],
];
for (const [written, canonical] of NAMES) {
  test(`${written} is ${canonical}`, () => assert.is(parseMeasure(written).name, canonical));
}

/** [as written, in the message, in the hint] */
const REFUSED: [string, RegExp, RegExp][] = [
  ['nDGC@10', /unknown measure nDGC/, /Did you mean nDCG\?/],
  ['ndcg@10', /unknown measure ndcg/, /Did you mean nDCG\?/],
  ['mrr', /unknown measure mrr/, /Did you mean MRR\?/],
  ['Recal@10', /unknown measure Recal/, /Did you mean Recall\?/],
  ['alpha_nDCG@10', /alpha_nDCG is not built/, /ir_measures/],
  ['xyzzy@10', /unknown measure xyzzy/, /lists the measures/],
  ['P', /P needs a cut-off/, /P@10/],
  ['R(rel=2)', /R needs a cut-off/, /R@10/],
  ['nDCG@0', /cut-off must be a whole number of at least 1, got "0"/, /nDCG@10/],
  ['nDCG@ten', /cut-off must be a whole number/, /nDCG@10/],
  ['AP(rel=-1)', /rel must be a whole number/, /rel=2/],
  ['nDCG(rel=2)@10', /nDCG takes cutoff, dcg and judged_only, got "rel=2"/, /nDCG@10/],
  ['AP(level=2)', /AP takes cutoff, rel and judged_only, got "level=2"/, /rel=2/],
  ['RBP', /RBP needs rel/, /RBP\(rel=1\)/],
  ['IPrec', /IPrec needs recall/, /IPrec@0.1/],
  ['IPrec@2', /recall must be a number from 0 to 1, got "2"/, /nDCG@10/],
  ["nDCG(dcg='exp')@10", /dcg must be 'log2' or 'exp-log2'/, /nDCG@10/],
  ['P(judged_only=1)@10', /judged_only must be True or False/, /nDCG@10/],
  ['nDCG(gains={0:0,1:5})@10', /nDCG takes cutoff, dcg and judged_only, got "gains/, /nDCG@10/],
  ['NumQ@10', /NumQ takes nothing behind @/, /nDCG@10/],
  ['', /invalid syntax/, /nDCG@10/],
  ['nDCG@10,AP', /a comma between measures/, /nDCG@10 AP on the command line, \[nDCG@10, AP\] in YAML/],
  ['RBP(rel=1,p=0.9),AP', /a comma between measures/, /RBP\(rel=1,p=0\.9\) AP/],
  ['nDCG@10,', /a comma between measures/, /nDCG@10/],
  ['nDCG@10 AP', /cut-off must be|invalid syntax/, /nDCG@10/],
];
for (const [written, message, hint] of REFUSED) {
  test(`refused: ${JSON.stringify(written)}`, () => {
    assert.throws(
      () => parseMeasure(written),
      (error: { code?: string; message: string; hint?: string }) =>
        error.code === (written.startsWith('alpha') ? 'unsupported' : 'bad_input') &&
        message.test(error.message) &&
        hint.test(error.hint ?? ''),
    );
  });
}

test.run();
