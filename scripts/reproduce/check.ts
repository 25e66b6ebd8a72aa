import { RankDistillmError } from '../../src/errors.js';
import { readQrels } from '../../src/data/formats/qrels.js';
import { readRun } from '../../src/data/run-file.js';
import { evaluate } from '../../src/evaluate/evaluate.js';
import { formatTable } from '../../src/report/table.js';
import { SetupError } from '../lib/say.mjs';

/** A published figure and what is measured for it. */
export interface Figure {
  /** Heads of its row, for the table and for what is said of it. */
  names: Readonly<Record<string, string>>;
  run: string;
  qrels: string;
  measure: string;
  expected: number;
  /** Where the expected value comes from. */
  source?: string;
}

/** Topics named in a message; the rest is counted. */
const NAMED = 5;

/** Half a unit of the sixth digit: expected values and tolerances are decimal. */
const ROUNDING = 5e-7;

/**
 * Measures runs and prints the figures beside the expected ones.
 *
 * @throws SetupError that names every figure which is not within `tolerance`, or which cannot be compared
 */
export async function checkFigures(figures: readonly Figure[], tolerance: number): Promise<void> {
  const wrong: string[] = [];
  const rows: (string | number)[][] = [];
  for (const { names, run, qrels: qrelsPath, measure, expected, source } of figures) {
    const what = Object.values(names).join(', ');
    const [entries, qrels] = [await readRun(run, { ignoreRanks: true }), await readQrels(qrelsPath)];
    const { mean, byQuery } = evaluate(entries, qrels, [measure]);
    const value = mean[measure]!;
    const ranked = new Set(entries.map(({ queryId }) => queryId));
    // they count 0, so the mean is another figure
    const missing = [...byQuery.keys()].filter((topic) => !ranked.has(topic));
    const difference = value - expected;
    let verdict = 'ok';
    if (missing.length > 0) {
      verdict = 'topics are missing';
      const named = missing.slice(0, NAMED).join(', ') + (missing.length > NAMED ? ', …' : '');
      wrong.push(`${what}: the run lacks ${missing.length} of ${byQuery.size} judged topics (${named})`);
    } else if (Math.abs(difference) > tolerance + ROUNDING) {
      verdict = 'differs';
      wrong.push(`${what}: ${measure} is ${value.toFixed(4)}, expected ${expected} ± ${tolerance}`);
    }
    const signed = `${difference < 0 ? '-' : '+'}${Math.abs(difference).toFixed(4)}`;
    rows.push([
      ...Object.values(names),
      measure,
      expected,
      value.toFixed(4),
      signed,
      verdict,
      ...(source ? [source] : []),
    ]);
  }
  const [first] = figures;
  if (!first) throw new RankDistillmError('bad_input', 'there is no figure to check');
  const heads = [...Object.keys(first.names), 'measure', 'expected', 'measured', 'difference', ''];
  console.log(
    `\n${formatTable(
      [...heads, ...(first.source ? ['source'] : [])].map((head) => ({ head })),
      rows,
    )}`,
  );
  if (wrong.length > 0) {
    throw new SetupError(
      `${wrong.length} of ${figures.length} figures ${wrong.length === 1 ? 'is' : 'are'} not reproduced:\n  ${wrong.join('\n  ')}`,
      'The record beside each run (….run.json) says which model, files and settings it was made of.',
    );
  }
  console.log(`\nAll ${figures.length} figures are within ${tolerance} of the expected ones.`);
}
