import type { EncoderConfig, HeadConfig, NamedTensor } from '../../binding.js';
import type { Family } from './families/family.js';
import type { MonoSettings, TrainingConfig } from './model-config.js';
import type { PairEncoding } from './pair-encoding.js';
import type { ScoreActivation } from './sentence-transformers.js';

/** A model folder read and checked: everything the tokenizer and the engine need, weights still in their files. */
export interface Checkpoint {
  /** What the caller asked for: a folder or a Hugging Face id. */
  name: string;
  folder: string;
  /** Name of the Python class that has these weights; lightning-ir writes it into the last column of a run. */
  modelClass: string;
  family: Family;
  encoder: EncoderConfig;
  head: HeadConfig;
  /** lightning-ir's settings with the caller's overrides, none open; undefined for a classification model. */
  mono: MonoSettings | undefined;
  /** Dropout rates and the row of the embeddings that is not trained. */
  training: TrainingConfig;
  /** Canonical names and checked shapes, see `NamedTensor` in binding.d.ts. */
  tensors: NamedTensor[];
  pairEncoding: PairEncoding;
  /** The function that the folder puts on top of the logit, for display; undefined where it names none. */
  activation: ScoreActivation | undefined;
  /** Things a user should know, one sentence each: a fresh head, tensors ignored by name. */
  warnings: string[];
}
