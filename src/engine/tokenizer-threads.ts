import { availableParallelism } from 'node:os';
import { MOST_THREADS } from '../config/schema/trainer.js';
import { badArgument } from './check-argument.js';

/** More add nothing: fewer than these already tokenize faster than one GPU scores. */
const MOST_BY_DEFAULT = 8;
/** For the main thread and the engine's own. */
const CORES_KEPT = 2;

/** Worker threads of the tokenizer that suit a device: on a CPU the engine needs all cores itself. */
export function defaultTokenizerThreads(device: string, cores: number): number {
  if (!device.startsWith('cuda')) return 0;
  return Math.max(0, Math.min(MOST_BY_DEFAULT, cores - CORES_KEPT));
}

/** The option `tokenizerThreads`, checked, or what suits the device. */
export function tokenizerThreads(given: number | undefined, device: string): number {
  if (given === undefined) return defaultTokenizerThreads(device, availableParallelism());
  if (Number.isInteger(given) && given >= 0 && given <= MOST_THREADS) return given;
  throw badArgument('tokenizerThreads', `an integer from 0 to ${MOST_THREADS}`, given);
}
