import { suite } from 'uvu';
import { createLoss, DatasetRegistry, evaluate } from '../../src/index.js';
import { refuses } from '../support/errors.js';

const test = suite('arguments of the wrong kind');

/** What JavaScript callers may pass. */
const anything = <T>(value: unknown) => value as T;

test('evaluate, createLoss and register name an argument of the wrong kind', async () => {
  const calls: [string, () => unknown][] = [
    ['run', () => evaluate(anything(undefined), [], ['nDCG@10'])],
    ['run', () => evaluate(anything('q1 Q0 d1 1 2 x'), [], ['nDCG@10'])],
    ['qrels', () => evaluate([], anything(null), ['nDCG@10'])],
    ['measures', () => evaluate([], [], anything('nDCG@10'))],
    ['measures', () => evaluate([], [], anything([10]))],
    ['name', () => createLoss(anything(undefined))],
    ['initArgs', () => createLoss('RankNet', anything(null))],
    ['id', () => new DatasetRegistry().register(anything(1), {})],
    ['parts', () => new DatasetRegistry().register('a', anything(undefined))],
  ];
  for (const [name, call] of calls) await refuses(call, 'bad_input', new RegExp(`^${name}: expected .*received `));
});

test.run();
