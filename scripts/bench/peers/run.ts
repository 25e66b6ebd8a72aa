import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCheckpoint } from '../../../src/models/load-checkpoint.js';
import { createPairTokenizer } from '../../../src/tokenize/pair-tokenizer.js';
import { numberOf, runScript } from '../../lib/command.js';
import { SetupError } from '../../lib/say.mjs';
import {
  DEVICES,
  machine,
  machineLine,
  oneOf,
  OPTIONS,
  OPTIONS_USAGE,
  printReport,
  reportWhenEnded,
  say,
  tableOf,
  wordsOf,
  type ColumnOf,
  type Device,
} from '../host.js';
import { MODEL_NAMES, nativePrecisions, randomModel } from '../models.js';
import { dl20Pairs, endless, TRUNCATION } from '../pairs.js';
import { take } from '../row.js';
import { choosePeers, CONTENDERS, headOf, OURS, peerPrecision, withOurs, type Contender } from './contenders.js';
import { peerEnvironment, peerModels, type PeerEnvironment } from './environment.js';
import { goalLines, measure, ratioOf, type MeasureOptions, type PeerResult } from './measure.js';
import { Worker, type PeerPair } from './worker.js';

const USAGE = `usage: npm run bench -- peers [options]

Other libraries and ours on the same pairs of dl20-bm25, with the same model of random weights. The first call makes a Python
environment and an npm folder for them in the cache, unless --python names one.

Each contender is a process that loads its model once. In each round every contender scores all pairs once, one after
another, so that noise falls on all alike; before that each chooses the fastest of a few batch sizes. Ours,
sentence-transformers and lightning-ir get texts and tokenize in the measured time (ours remembers texts of earlier
rounds); the others get ready token ids, cut into padded batches in the order given or ("sorted") by length.

${OPTIONS_USAGE}
  --only WORDS     peers that have each of these words in "name precision", beside ours
  --model NAME     ${MODEL_NAMES.join(', ')}; default electra-base
  --pairs N        default 128, on cuda 16384
  --rounds N       default 3
  --threads N      of each; default: as many as our engine takes by itself
  --python FILE    an existing Python; peers whose library it lacks, and npm packages, are left out
  --bf16           peers in bf16 even where the CPU has no instructions for it

${DEVICES.map((device) => `on ${device}: ${[...new Set(CONTENDERS[device].map(({ name }) => name))].join('; ')}`).join('\n')}`;

/** Scores in float32 of different libraries differ by rounding only; in standard deviations of all scores. */
const TOLERANCE = 1e-3;
/** Of the candidates, fewer than this share have to be cut. */
const CUT_SHARE = 0.1;

const columns = (device: Device, results: readonly PeerResult[]): ColumnOf<PeerResult>[] => [
  { head: 'contender', of: ({ name }) => name },
  { head: 'version', of: ({ version }) => version },
  { head: 'precision', of: ({ precision }) => precision },
  { head: 'batch', of: ({ batch }) => batch },
  { head: 'pairs/s', digits: 2, of: ({ pairsPerSecond }) => pairsPerSecond },
  { head: 'least', digits: 2, of: ({ rounds }) => Math.min(...rounds) },
  { head: 'most', digits: 2, of: ({ rounds }) => Math.max(...rounds) },
  { head: 'ours / theirs', digits: 2, of: (result) => ratioOf(result, results) },
  { head: 'difference', of: ({ largestDifference }) => largestDifference.toExponential(1) },
  { head: 'peak MiB', digits: 0, of: ({ peakMiB }) => peakMiB },
  ...(device === 'cuda' ? [{ head: 'GPU peak MiB', digits: 0, of: (row: PeerResult) => row.peakGpuMiB }] : []),
];

/**
 * Pairs of dl20-bm25 that are short enough to stay whole (nearly all are), with their ids: libraries that take texts and
 * cut them in other ways then see the same tokens. More than there are come again with new texts.
 *
 * @param backbone a model folder without a head: its tokenizer counts
 */
async function uncutPairs(backbone: string, count: number): Promise<PeerPair[]> {
  const pairs = await dl20Pairs(2 * count);
  const candidates = [...take(endless(pairs), Math.max(pairs.length, Math.ceil(count / (1 - CUT_SHARE))))];
  const encode = async (overrides: typeof TRUNCATION | { queryLength: null; docLength: null }) =>
    (await createPairTokenizer(await loadCheckpoint(backbone, { overrides }))).encodePairs(candidates);
  const cut = await encode(TRUNCATION);
  const whole = await encode({ queryLength: null, docLength: null });
  const uncut = candidates.flatMap(({ query, document }, i) => {
    const { inputIds, tokenTypeIds } = cut[i]!;
    if (inputIds.length !== whole[i]!.inputIds.length) return [];
    return [{ query, document, inputIds: [...inputIds], tokenTypeIds: [...tokenTypeIds] }];
  });
  const step = uncut.length / count;
  return Array.from({ length: Math.min(count, uncut.length) }, (_, i) => uncut[Math.floor(i * Math.max(1, step))]!);
}

/** Contenders whose precision is worth measuring here. */
async function runnable(
  contenders: readonly Contender[],
  device: Device,
  threads: number | undefined,
  allBf16: boolean,
): Promise<Contender[]> {
  const found = [...(await nativePrecisions(device, threads))];
  const native = found.flatMap(([asked, computed]) => (typeof computed === 'string' ? [peerPrecision(asked)] : []));
  return contenders.filter(({ name, precision }) => {
    const runs = native.includes(precision);
    if (name === OURS ? runs : precision !== 'bfloat16' || runs || allBf16) return true;
    say(`${name} ${precision} left out: this machine computes it in another precision`);
    return false;
  });
}

/** Starts the contenders, measures them and ends them. */
async function compare(
  contenders: readonly Contender[],
  { python, packages }: PeerEnvironment,
  threads: number,
  options: MeasureOptions,
): Promise<void> {
  const { models, device, pairs } = options;
  const work = await mkdtemp(join(tmpdir(), 'rank-distillm-peers-'));
  const workers: Worker[] = [];
  try {
    const file = join(work, 'pairs.json');
    await writeFile(file, JSON.stringify(pairs));
    const start = (contender: Contender): Promise<Worker> => {
      const where = { folder: join(models, headOf(contender)), pairs: file, packages };
      return Worker.start(contender, python, { ...contender, ...where, device, threads });
    };
    // all at once: each takes seconds to import its libraries and is quiet until it is asked
    const started = await Promise.allSettled(contenders.map(start));
    for (const [i, result] of started.entries()) {
      if (result.status === 'fulfilled') {
        workers.push(result.value);
        continue;
      }
      process.exitCode = 1;
      say(`${contenders[i]!.name} ${contenders[i]!.precision} left out: ${(result.reason as Error).message}`);
    }
    await measure(workers, options);
  } finally {
    for (const worker of workers) worker.stop();
    await rm(work, { recursive: true });
  }
}

/** Fails where a peer in float32 computes something else than ours. */
function check(results: readonly PeerResult[]): void {
  for (const { name, precision, largestDifference } of results) {
    if (precision !== 'float32' || largestDifference <= TOLERANCE) continue;
    say(`${name} does not compute what ours does: a score differs by ${largestDifference} standard deviations`);
    process.exitCode = 1;
  }
}

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    {
      ...OPTIONS,
      only: { ...option, multiple: true, default: [] },
      model: { ...option, default: 'electra-base' },
      ...{ pairs: option, rounds: option, threads: option, python: option },
      bf16: { type: 'boolean', default: false },
    },
    async (values, positionals) => {
      const device = oneOf('device', values.device, DEVICES);
      const model = oneOf('model', values.model, MODEL_NAMES);
      const count = numberOf('pairs', values.pairs, 'a whole number above 0') ?? { cpu: 128, cuda: 16_384 }[device];
      const rounds = numberOf('rounds', values.rounds, 'a whole number above 0') ?? 3;
      const wanted = numberOf('threads', values.threads);
      const only = wordsOf(values.only, positionals);
      const chosen = choosePeers(device, only);
      if (chosen.length === 0) throw new SetupError(`no peer has all of these words: ${only.join(' ')}`, 'See --help.');
      const environment = await peerEnvironment(values.python);
      const hasNode = environment.packages !== undefined;
      const peers = chosen.filter(({ runtime }) => runtime === 'python' || hasNode);
      const contenders = await runnable(withOurs(device, peers), device, wanted, values.bf16);
      const pairs = await uncutPairs(await randomModel(model), count);
      let results: readonly PeerResult[] = [];
      const report = (): void => {
        const rows = results.map((result) => ({ ...result, ratio: ratioOf(result, results) }));
        const head = `${machineLine(device)}; ${model}, ${count} pairs, ${results[0]?.rounds.length ?? 0} rounds`;
        const foot = 'difference: the largest of a score from ours in float32, in standard deviations of all scores';
        const data = { machine: machine(device), model, pairs: pairs.length, results: rows };
        const goals = device === 'cpu' ? goalLines(results) : [];
        const text = [head, tableOf(columns(device, results), results), foot, ...goals].join('\n\n');
        printReport(values, { ...data, goals }, text);
        check(results);
      };
      reportWhenEnded(report);
      const models = await peerModels(environment, model, contenders);
      const threads = wanted ?? machine(device).threads;
      const onRound = (found: readonly PeerResult[]): void => void (results = found);
      await compare(contenders, environment, threads, { pairs, rounds, device, models, onRound });
      report();
    },
    args,
  );
