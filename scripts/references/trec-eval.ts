// Compares `evaluate` with trec_eval on odd files: whatever trec_eval gives a figure for, we give the same, or refuse for a
// reason that docs/data.md names. With --write, also writes test/evaluate/golden/trec-eval.json.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RandomStream } from '../../src/random/random-stream.js';
import { compareFiles, MEASURES, type Figures } from '../../test/evaluate/trec-eval-files.js';
import { oddQrels, oddRun } from '../attack/odd-files.js';
import { numberOf, runScript } from '../lib/command.js';
import { SetupError } from '../lib/say.mjs';

const GOLDEN = new URL('../../test/evaluate/golden/trec-eval.json', import.meta.url);
/** Files of the golden file: the first for which trec_eval gives figures. */
const KEPT = 60;

const USAGE = `usage: node --import ./scripts/lib/load-typescript.mjs scripts/references/trec-eval.ts --trec-eval PROGRAM [--inputs 1000] [--write]

PROGRAM is trec_eval 10 (https://github.com/usnistgov/trec_eval), or prints what \`trec_eval -q -m all_trec QRELS RUN\` does.`;

/** trec_eval takes minutes for a grade of 16777216: it counts up to the largest grade for each smaller one. */
const MOST_MS = 5000;

/** What trec_eval prints for each topic; undefined where it refuses a file. */
function trecEval(program: string, qrels: string, run: string): Figures | undefined {
  let text: string;
  try {
    const args = ['-q', '-m', 'all_trec', qrels, run];
    const limits = { timeout: MOST_MS, killSignal: 'SIGKILL' } as const;
    text = execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], ...limits });
  } catch {
    return undefined;
  }
  const figures: Figures = {};
  for (const line of text.split('\n')) {
    const [name = '', topic = '', value] = line.split('\t').map((cell) => cell.trim());
    const ours = MEASURES[name];
    if (ours !== undefined && topic !== 'all') (figures[topic] ??= {})[ours] = Number(value);
  }
  return figures;
}

const option = { type: 'string' } as const;

await runScript(
  USAGE,
  { 'trec-eval': option, inputs: option, write: { type: 'boolean', default: false } },
  async (values) => {
    const program = values['trec-eval'];
    if (program === undefined) throw new SetupError('--trec-eval is missing', 'See --help.');
    const inputs = numberOf('inputs', values.inputs, 'a whole number above 0') ?? 1000;
    const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-trec-eval-'));
    const [qrels, run] = ['qrels.txt', 'x.run'].map((name) => join(folder, name)) as [string, string];
    const counts = new Map<string, number>();
    const kept: object[] = [];
    for (let i = 0; i < inputs; i++) {
      const random = new RandomStream({ seed: 1, purpose: 'trec_eval', epoch: 0, item: String(i) });
      // a byte order mark is part of the first topic's id in trec_eval
      const contents = [oddQrels(random), oddRun(random)].map((bytes) =>
        bytes.subarray(0, 3).toString('hex') === 'efbbbf' ? bytes.subarray(3) : bytes,
      );
      [qrels, run].forEach((path, which) => writeFileSync(path, contents[which]!));
      const figures = trecEval(program, qrels, run);
      const { outcome, message } = await compareFiles(qrels, run, figures);
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      if (message !== undefined) console.log(`input ${i}: ${outcome}: ${message.replaceAll(folder, '')}`);
      const texts = contents.map((content) => content.toString('utf8'));
      if (figures && kept.length < KEPT) kept.push({ qrels: texts[0], run: texts[1], figures });
    }
    rmSync(folder, { recursive: true });
    for (const [outcome, count] of [...counts].sort()) console.log(`${count} of ${inputs}: ${outcome}`);
    if (values.write) writeFileSync(GOLDEN, `[\n${kept.map((item) => JSON.stringify(item)).join(',\n')}\n]\n`);
    if (counts.has('different')) process.exitCode = 1;
  },
);
