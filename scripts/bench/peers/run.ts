import { writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SetupError } from '../../lib/say.mjs';
import { positiveNumber, positiveNumberIfGiven, wordsOf } from '../arguments.js';
import { DEVICES, deviceNamed } from '../device.js';
import { reportWhenEnded } from '../ended-early.js';
import { machine, machineLine } from '../machine.js';
import { nativePrecisions } from '../native-precisions.js';
import { RANDOM_MODELS, randomModel, type RandomModelName } from '../random-model.js';
import { compare } from './compare.js';
import { choosePeers, CONTENDERS, headOf, OURS, peerPrecision, withOurs, type Contender } from './contenders.js';
import { peerEnvironment, type PeerEnvironment } from './environment.js';
import { existingPython } from './existing-python.js';
import { peerModels } from './peer-models.js';
import { formatMarkdown, formatPeers, ratioOf, type PeerResult } from './report.js';
import { uncutPairs } from './uncut-pairs.js';
import { Worker } from './worker.js';

const USAGE = `usage: npm run bench -- peers [options]

Other libraries and ours on the same pairs of dl20-bm25, with the same model of random weights. The first call makes a Python
environment and an npm folder for them in the cache, unless --python names one.

Each contender is a process that loads its model once. In each round every contender scores all pairs once, one after
another, so that noise falls on all alike; before that each chooses the fastest of a few batch sizes. Ours,
sentence-transformers and lightning-ir get texts and tokenize in the measured time (ours remembers texts of earlier
rounds); the others get ready token ids, cut into padded batches in the order given or ("sorted") by length.

  --device NAME    ${DEVICES.join(' or ')}; default cpu. On cuda the peers are those that run at their best there
  --only WORDS     peers that have each of these words in "name precision", beside ours
  --model NAME     ${Object.keys(RANDOM_MODELS).join(', ')}; default electra-base
  --pairs N        default 128, on cuda 16384
  --rounds N       default 3
  --threads N      of each; default: what our engine takes by itself
  --python FILE    an existing Python; peers whose library it lacks, and npm packages, are left out
  --bf16           peers in bf16 even where the CPU has no instructions for it
  --json FILE      also writes { machine, model, pairs, results: [{ name, version, precision, pairsPerSecond, ... }] }

${DEVICES.map((device) => `on ${device}: ${[...new Set(CONTENDERS[device].map(({ name }) => name))].join('; ')}`).join('\n')}`;

/** Scores in float32 of different libraries differ by rounding only; in standard deviations of all scores. */
const TOLERANCE = 1e-3;

const { values, positionals } = parseArgs({
  args: process.argv.slice(3),
  allowPositionals: true, // more words of --only
  options: {
    only: { type: 'string', multiple: true, default: [] },
    model: { type: 'string', default: 'electra-base' },
    device: { type: 'string', default: 'cpu' },
    python: { type: 'string' },
    pairs: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string' },
    bf16: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean' },
  },
});
const DEFAULT_PAIRS = { cpu: '128', cuda: '16384' };
const device = deviceNamed(values.device);
const pairCount = positiveNumber('pairs', values.pairs ?? DEFAULT_PAIRS[device]);
const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);

function modelName(): RandomModelName {
  const name = Object.keys(RANDOM_MODELS).find((known) => known === values.model);
  if (name === undefined) throw new SetupError(`--model ${values.model}: no such model`, 'See --help.');
  return name as RandomModelName;
}

/** Contenders whose precision is worth measuring here. */
async function runnable(contenders: readonly Contender[], threads: number | undefined): Promise<Contender[]> {
  const found = [...(await nativePrecisions(device, threads)).values()];
  const native = found.flatMap((computed) => (typeof computed === 'string' ? [peerPrecision(computed)] : []));
  return contenders.filter(({ name, precision }) => {
    const runs = native.includes(precision);
    if (name === OURS ? runs : precision !== 'bfloat16' || runs || values.bf16) return true;
    say(`${name} ${precision} left out: this machine does not run it natively`);
    return false;
  });
}

/** Where the peers run, and those that do. */
async function environmentFor(peers: readonly Contender[]): Promise<[PeerEnvironment, readonly Contender[]]> {
  if (values.python === undefined) return [await peerEnvironment(), peers];
  const { environment, runnable, leftOut } = await existingPython(values.python, peers);
  for (const { name, precision } of leftOut) say(`${name} ${precision} left out: not in ${values.python}`);
  return [environment, runnable];
}

async function measure(
  contenders: readonly Contender[],
  environment: PeerEnvironment,
  threads: number,
  onRound: (results: readonly PeerResult[]) => void,
): Promise<void> {
  const models = await peerModels(environment, modelName(), contenders);
  const pairs = await uncutPairs(await randomModel(modelName()), pairCount);
  const work = await mkdtemp(join(tmpdir(), 'rank-distillm-peers-'));
  const workers: Worker[] = [];
  try {
    const file = join(work, 'pairs.json');
    await writeFile(file, JSON.stringify(pairs));
    const start = (contender: Contender): Promise<Worker> => {
      const { precision, sorted, compiled } = contender;
      const { python, packages } = environment;
      const where = { folder: join(models, headOf(contender)), pairs: file, packages };
      return Worker.start(contender, python, { ...where, device, precision, sorted, compiled, threads });
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
    await compare(workers, { pairs, rounds: positiveNumber('rounds', values.rounds), device, models, say, onRound });
  } finally {
    for (const worker of workers) worker.stop();
    await rm(work, { recursive: true });
  }
}

async function main(): Promise<void> {
  const only = wordsOf(values.only, positionals);
  const wanted = positiveNumberIfGiven('threads', values.threads);
  const chosen = choosePeers(device, only);
  if (chosen.length === 0) throw new SetupError(`no peer has all of these words: ${only.join(' ')}`, 'See --help.');
  const [environment, peers] = await environmentFor(chosen);
  const contenders = await runnable(withOurs(device, peers), wanted);
  let results: readonly PeerResult[] = [];
  reportWhenEnded(() => report(results));
  const threads = wanted ?? machine(device).threads;
  await measure(contenders, environment, threads, (found) => (results = found));
  report(results);
}

function report(results: readonly PeerResult[]): void {
  const { model } = values;
  const rounds = results[0]?.rounds.length ?? 0;
  console.log(`${machineLine(device)}; ${model}, ${pairCount} pairs, ${rounds} rounds\n`);
  console.log(formatPeers(results, device));
  console.log('difference: the largest of a score from ours in float32, in standard deviations of all scores\n');
  console.log(formatMarkdown(results));
  if (values.json !== undefined) {
    const rows = results.map((result) => ({ ...result, ratio: ratioOf(result, results) }));
    const report = { machine: machine(device), model, pairs: pairCount, results: rows };
    writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  for (const { name, precision, largestDifference } of results) {
    if (precision !== 'float32' || largestDifference <= TOLERANCE) continue;
    say(`${name} does not compute what ours does: a score differs by ${largestDifference} standard deviations`);
    process.exitCode = 1;
  }
}

if (values.help) console.log(USAGE);
else await main();
