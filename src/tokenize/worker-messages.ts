import type { SentError } from '../io/thread.js';
import type { PackedSides } from './packed-sides.js';
import type { SideLengths, Sides } from './side-tokenizer.js';

/** What a tokenizer thread is started with. */
export interface WorkerStart {
  /** `TokenizerDescription` as JSON: cloning the vocabulary as an object takes ten times as long. */
  description: string;
  lengths: SideLengths;
}

export interface WorkerRequest {
  id: number;
  side: keyof Sides<unknown>;
  texts: readonly string[];
}

/** `ready` comes once, then an answer to each request, in any order. */
export type WorkerReply =
  | { type: 'ready' }
  | { type: 'encoded'; id: number; sides: PackedSides }
  | { type: 'failed'; id: number; error: SentError };
