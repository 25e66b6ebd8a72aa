import { writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCheckpoint } from '../../../src/models/load-checkpoint.js';
import { createPairTokenizer } from '../../../src/tokenize/pair-tokenizer.js';
import { numberOf, runScript } from '../../lib/command.js';
import { SetupError } from '../../lib/say.mjs';
import { DEVICES, machine, machineLine, oneOf, reportWhenEnded, say, wordsOf, type Device } from '../host.js';
import { MODEL_NAMES, nativePrecisions, randomModel, type RandomModelName } from '../models.js';
import { dl20Pairs, endless, TRUNCATION } from '../pairs.js';
import { take } from '../row.js';
import { compare, type CompareOptions } from './compare.js';
import { choosePeers, CONTENDERS, headOf, OURS, peerPrecision, withOurs, type Contender } from './contenders.js';
import { existingPython, peerEnvironment, peerModels, type PeerEnvironment } from './environment.js';
import { formatMarkdown, formatPeers, ratioOf, type PeerResult } from './report.js';
import { Worker, type PeerPair } from './worker.js';

const USAGE = `usage: npm run bench -- peers [options]

Other libraries and ours on the same pairs of dl20-bm25, with the same model of random weights. The first call makes a Python
environment and an npm folder for them in the cache, unless --python names one.

Each contender is a process that loads its model once. In each round every contender scores all pairs once, one after
another, so that noise falls on all alike; before that each chooses the fastest of a few batch sizes. Ours,
sentence-transformers and lightning-ir get texts and tokenize in the measured time (ours remembers texts of earlier
rounds); the others get ready token ids, cut into padded batches in the order given or ("sorted") by length.

  --device NAME    ${DEVICES.join(' or ')}; default cpu. On cuda the peers are those that run at their best there
  --only WORDS     peers that have each of these words in "name precision", beside ours
  --model NAME     ${MODEL_NAMES.join(', ')}; default electra-base
  --pairs N        default 128, on cuda 16384
  --rounds N       default 3
  --threads N      of each; default: as many as our engine takes by itself
  --python FILE    an existing Python; peers whose library it lacks, and npm packages, are left out
  --bf16           peers in bf16 even where the CPU has no instructions for it
  --json FILE      also writes (- : prints) { machine, model, pairs, results: [{ name, version, precision, pairsPerSecond, ... }] }

${DEVICES.map((device) => `on ${device}: ${[...new Set(CONTENDERS[device].map(({ name }) => name))].join('; ')}`).join('\n')}`;

/** Scores in float32 of different libraries differ by rounding only; in standard deviations of all scores. */
const TOLERANCE = 1e-3;
/** Of the candidates, fewer than this share have to be cut. */
const CUT_SHARE = 0.1;

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
  const found = [...(await nativePrecisions(device, threads)).values()];
  const native = found.flatMap((computed) => (typeof computed === 'string' ? [peerPrecision(computed)] : []));
  return contenders.filter(({ name, precision }) => {
    const runs = native.includes(precision);
    if (name === OURS ? runs : precision !== 'bfloat16' || runs || allBf16) return true;
    say(`${name} ${precision} left out: this machine does not run it natively`);
    return false;
  });
}

async function measure(
  contenders: readonly Contender[],
  { python, packages }: PeerEnvironment,
  threads: number,
  options: CompareOptions,
): Promise<void> {
  const { models, device, pairs } = options;
  const work = await mkdtemp(join(tmpdir(), 'rank-distillm-peers-'));
  const workers: Worker[] = [];
  try {
    const file = join(work, 'pairs.json');
    await writeFile(file, JSON.stringify(pairs));
    const start = (contender: Contender): Promise<Worker> => {
      const { library, precision, sorted, compiled } = contender;
      const where = { folder: join(models, headOf(contender)), pairs: file, packages };
      return Worker.start(contender, python, { library, ...where, device, precision, sorted, compiled, threads });
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
    await compare(workers, options);
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
      only: { ...option, multiple: true, default: [] },
      device: { ...option, default: 'cpu' },
      model: { ...option, default: 'electra-base' },
      ...{ pairs: option, rounds: option, threads: option, python: option, json: option },
      bf16: { type: 'boolean', default: false },
    },
    async (values, positionals) => {
      const device = oneOf('device', values.device, DEVICES);
      const model: RandomModelName = oneOf('model', values.model, MODEL_NAMES);
      const count = numberOf('pairs', values.pairs, 'a whole number above 0') ?? { cpu: 128, cuda: 16_384 }[device];
      const rounds = numberOf('rounds', values.rounds, 'a whole number above 0') ?? 3;
      const wanted = numberOf('threads', values.threads);
      const only = wordsOf(values.only, positionals);
      let peers = choosePeers(device, only);
      if (peers.length === 0) throw new SetupError(`no peer has all of these words: ${only.join(' ')}`, 'See --help.');
      let environment: PeerEnvironment;
      if (values.python === undefined) environment = await peerEnvironment();
      else {
        const existing = await existingPython(values.python, peers);
        environment = existing.environment;
        const left = peers.filter((peer) => !existing.has(peer));
        for (const { name, precision } of left) say(`${name} ${precision} left out: not in ${values.python}`);
        peers = peers.filter(existing.has);
      }
      const contenders = await runnable(withOurs(device, peers), device, wanted, values.bf16);
      const pairs = await uncutPairs(await randomModel(model), count);
      let results: readonly PeerResult[] = [];
      const report = (): void => {
        console.log(
          `${machineLine(device)}; ${model}, ${pairs.length} pairs, ${results[0]?.rounds.length ?? 0} rounds\n`,
        );
        console.log(formatPeers(results, device));
        console.log('difference: the largest of a score from ours in float32, in standard deviations of all scores\n');
        console.log(formatMarkdown(results));
        if (values.json !== undefined) {
          const rows = results.map((result) => ({ ...result, ratio: ratioOf(result, results) }));
          const data = { machine: machine(device), model, pairs: pairs.length, results: rows };
          const json = JSON.stringify(data, null, 2);
          if (values.json === '-') console.log(json);
          else writeFileSync(values.json, `${json}\n`);
        }
        check(results);
      };
      reportWhenEnded(report);
      const models = await peerModels(environment, model, contenders);
      const threads = wanted ?? machine(device).threads;
      const onRound = (found: readonly PeerResult[]): void => void (results = found);
      await measure(contenders, environment, threads, { pairs, rounds, device, models, onRound });
      report();
    },
    args,
  );
