import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CrossEncoder, fit, RankDistillmError, rerankRuns, TrainableModel, type FitOptions } from '../../src/index.js';
import { modelFolder } from '../support/models.js';

const test = suite('the cause of an abort');

const folder = modelFolder();
const reason = new Error('the caller has enough');
const pairs = Array.from({ length: 20_000 }, (_, i) => ({ query: 'a b', document: `c ${i}` }));
const documents = pairs.map(({ document }) => document);
const fitting = { model: folder, train: { dataset: {}, batchSize: 1 }, losses: [] } as unknown as FitOptions;

async function drain(model: CrossEncoder, signal: AbortSignal, onScore: () => void): Promise<void> {
  for await (const _ of model.scoreStream(pairs, { signal })) onScore();
}

/** Every public function that takes a signal, with one that fired before the call. */
const CALLS: [what: string, call: (signal: AbortSignal) => Promise<unknown>][] = [
  ['CrossEncoder.load', (signal) => CrossEncoder.load(folder, { signal })],
  ['TrainableModel.load', (signal) => TrainableModel.load(folder, { signal })],
  ['rerankRuns', (signal) => rerankRuns({ model: folder, runs: [{ runPathOrId: 'none' }], signal })],
  ['fit', (signal) => fit({ ...fitting, signal })],
];

for (const [what, call] of CALLS) {
  test(what, () => hasCause(call(AbortSignal.abort(reason))));
}

test('score, rank and scoreStream in mid-work', async () => {
  await using model = await CrossEncoder.load(folder);
  const controllers = [0, 1, 2].map(() => new AbortController()) as [AbortController, AbortController, AbortController];
  const [scoring, ranking, streaming] = controllers;
  await hasCause(model.score(pairs, { signal: scoring.signal, onProgress: () => scoring.abort(reason) }));
  await hasCause(model.rank('a', documents, { signal: ranking.signal, onProgress: () => ranking.abort(reason) }));
  await hasCause(drain(model, streaming.signal, () => streaming.abort(reason)));
});

async function hasCause(promise: Promise<unknown>): Promise<void> {
  const error = await promise.then(
    () => assert.unreachable('not aborted'),
    (thrown: unknown) => thrown,
  );
  assert.instance(error, RankDistillmError);
  assert.is((error as RankDistillmError).code, 'aborted');
  assert.is((error as RankDistillmError).cause, reason);
}

test.run();
