import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { describe, nameOf } from '../../src/engine/arithmetic.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { cacheFolder } from '../../src/io/make-folder.js';
import { loadBinding } from '../../src/io/load-binding.js';
import { environmentOf, LEVELS } from '../../test/support/levels.js';
import { trainedModel } from '../demo/configurations.js';
import { worldFiles } from '../demo/world/write.js';
import { numberOf, runScript } from '../lib/command.js';
import { root } from '../lib/root.mjs';
import { SetupError } from '../lib/say.mjs';
import { machine, machineLine, printReport, say, tableOf, type ColumnOf } from './host.js';
import { PRECISIONS } from './models.js';
import { readRunPairs } from './pairs.js';

const DEMO = join(root, 'build', 'demo');
const VARIABLE = 'RANK_DISTILLM_ARITHMETIC';
/** Scores of models that are trained, against lightning-ir's and transformers'; the gradients of one. */
const GOLDEN = ['test/golden', 'test/train/golden-training', 'test/engine/native-model'];

const USAGE = `usage: npm run bench -- arithmetic [options]

The arithmetic that each precision is computed in on this host and, with features of the CPU taken away, on each level below:
the rates of all that there is, what is chosen by them, and the error of its scores against float32 at the best level. Rates are measured
anew for each level, in a cache folder that is removed.

  --model FOLDER   a trained model; without it the model and the test queries that \`npm run demo\` has left in build/demo
  --pairs N        default 2000
  --golden         also runs ${GOLDEN.join(', ')} on each level
  --json           one object instead of tables
  --out FILE       writes that object to a file, too`;

/** What a process prints in which the CPU seems to have one level. */
interface LevelAnswer {
  /** Tokens per CPU second, by the arithmetic's name. */
  rates: Record<string, number>;
  trainingRates: Record<string, number>;
  choices: { precision: string; name: string; described: string; scores: number[] }[];
  training: string;
}

interface RateRow {
  level: string;
  arithmetic: string;
  /** Of the level's fastest. */
  share: number;
  /** Of training. */
  trainingShare: number | undefined;
}

interface ChoiceRow {
  level: string;
  precision: string;
  computed: string;
  /** Of the level's fastest. */
  share: number;
  /** Root mean square and the largest of the scores' errors, over their deviation. */
  error: number;
  largestError: number;
}

interface GoldenRow {
  level: string;
  tests: string;
}

const RATE_COLUMNS: readonly ColumnOf<RateRow>[] = [
  { head: 'level', of: ({ level }) => level },
  { head: 'products/attention/between', of: ({ arithmetic }) => arithmetic },
  { head: 'share of the fastest', digits: 2, of: ({ share }) => share },
  { head: 'in training', digits: 2, of: ({ trainingShare }) => trainingShare },
];
const CHOICE_COLUMNS: readonly ColumnOf<ChoiceRow>[] = [
  { head: 'level', of: ({ level }) => level },
  { head: 'precision', of: ({ precision }) => precision },
  { head: 'computed in', of: ({ computed }) => computed },
  { head: 'share of the fastest', digits: 2, of: ({ share }) => share },
  { head: 'error / deviation', digits: 5, of: ({ error }) => error },
  { head: 'largest', digits: 5, of: ({ largestError }) => largestError },
];
const GOLDEN_COLUMNS: readonly ColumnOf<GoldenRow>[] = [
  { head: 'level', of: ({ level }) => level },
  { head: 'golden tests', of: ({ tests }) => tests },
];

interface Task {
  model: string;
  pairs: number;
}

async function pairsOf(count: number) {
  const { collection, test } = worldFiles(DEMO);
  const { pairs } = await readRunPairs({ run: test.bm25, docs: collection, queries: test.queries });
  const step = Math.max(1, pairs.length / count);
  return Array.from({ length: Math.min(count, pairs.length) }, (_, i) => pairs[Math.floor(i * step)]!);
}

/** The rates that this process's first models have left in the cache. */
function keptRates(work: string): Record<string, number> {
  const folder = join(cacheFolder(), 'arithmetic');
  const file = existsSync(folder) && readdirSync(folder).find((name) => name.startsWith(work));
  if (!file) return {};
  const kept = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { tokensPerCpuSecond: Record<string, number> };
  return kept.tokensPerCpuSecond;
}

/** What the process of a level does. */
async function answer({ model: folder, pairs: count }: Task): Promise<LevelAnswer> {
  const pairs = await pairsOf(count);
  const choices: LevelAnswer['choices'] = [];
  for (const precision of PRECISIONS.cpu) {
    await using model = await CrossEncoder.load(folder, { precision });
    const { arithmetic } = model;
    const scores = [...(await model.score(pairs))];
    choices.push({ precision, name: nameOf(arithmetic), described: describe(arithmetic), scores });
  }
  await using trained = await TrainableModel.load(folder, { precision: 'bf16-mixed', onWarning: () => undefined });
  const training = trained.native.precision;
  return { rates: keptRates('scoring'), trainingRates: keptRates('training'), choices, training };
}

/** @param program arguments of Node.js */
async function inLevel(
  level: string,
  program: string[],
  env: NodeJS.ProcessEnv,
): Promise<{ out: string; status: number }> {
  const child = spawn(process.execPath, program, {
    cwd: root,
    env: { ...environmentOf(level), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const status = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)));
  return { out: await text(child.stdout), status: await status };
}

async function measureLevel(level: string, task: Task): Promise<LevelAnswer> {
  const cache = await mkdtemp(join(tmpdir(), 'rank-distillm-arithmetic-'));
  try {
    const program = ['--import', 'tsx', fileURLToPath(import.meta.url), JSON.stringify(task)];
    const { out, status } = await inLevel(level, program, { XDG_CACHE_HOME: cache, [VARIABLE]: 'measured' });
    if (status !== 0) throw new Error(`the process of level ${level} has failed`);
    return JSON.parse(out.trim().split('\n').at(-1)!) as LevelAnswer;
  } finally {
    await rm(cache, { recursive: true });
  }
}

function rowsOf(
  level: string,
  found: LevelAnswer,
  exact: readonly number[],
): { rates: RateRow[]; choices: ChoiceRow[] } {
  const fastest = Math.max(...Object.values(found.rates));
  const fastestTraining = Math.max(...Object.values(found.trainingRates));
  const mean = exact.reduce((sum, score) => sum + score, 0) / exact.length;
  const deviation = Math.sqrt(exact.reduce((sum, score) => sum + (score - mean) ** 2, 0) / exact.length);
  const rates = Object.entries(found.rates).map(([arithmetic, rate]): RateRow => {
    const trained = found.trainingRates[arithmetic];
    return { level, arithmetic, share: rate / fastest, trainingShare: trained && trained / fastestTraining };
  });
  const choices = found.choices.map(({ precision, name, described, scores }): ChoiceRow => {
    const errors = scores.map((score, i) => Math.abs(score - exact[i]!) / deviation);
    const error = Math.sqrt(errors.reduce((sum, off) => sum + off * off, 0) / errors.length);
    const share = (found.rates[name] ?? fastest) / fastest;
    return { level, precision, computed: described, share, error, largestError: Math.max(...errors) };
  });
  return { rates, choices };
}

/** The closing lines of the test runner. */
async function goldenTests(level: string): Promise<GoldenRow> {
  const { out, status } = await inLevel(level, ['scripts/test.mjs', ...GOLDEN], {});
  if (status !== 0) {
    process.exitCode = 1;
    say(out);
  }
  return { level, tests: /^\d+ passed, \d+ failed.*$/m.exec(out)?.[0].trim() ?? `exit status ${status}` };
}

const option = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    { model: option, pairs: option, golden: flag, json: flag, out: option },
    async (values) => {
      const model = values.model ?? trainedModel(join(DEMO, 'stage-two'));
      if (!existsSync(model) || !existsSync(worldFiles(DEMO).test.bm25))
        throw new SetupError(`${model}: no such folder`, 'Run `npm run demo` first.');
      const task = { model, pairs: numberOf('pairs', values.pairs, 'a whole number above 0') ?? 2000 };
      const { cpuFeatures } = loadBinding().info();
      const levels = Object.keys(LEVELS)
        .filter((level) => LEVELS[level]!.every((feature) => cpuFeatures.includes(feature)))
        .reverse();
      const [rates, choices, golden]: [RateRow[], ChoiceRow[], GoldenRow[]] = [[], [], []];
      let exact: readonly number[] | undefined;
      for (const level of levels) {
        const found = await measureLevel(level, task);
        exact ??= found.choices[0]!.scores;
        const rows = rowsOf(level, found, exact);
        rates.push(...rows.rates);
        choices.push(...rows.choices);
        say(`${level}: ${rows.choices.map(({ precision, computed }) => `${precision} in ${computed}`).join('; ')}`);
        say(`${level}: bf16-mixed is trained in ${found.training}`);
        if (values.golden) golden.push(await goldenTests(level));
      }
      const tables = [tableOf(RATE_COLUMNS, rates), tableOf(CHOICE_COLUMNS, choices)];
      if (golden.length > 0) tables.push(tableOf(GOLDEN_COLUMNS, golden));
      const data = { machine: machine('cpu'), model, rates, choices, golden };
      printReport(values, data, [machineLine('cpu'), ...tables].join('\n\n'));
    },
    args,
  );

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(await answer(JSON.parse(process.argv[2]!) as Task)));
}
