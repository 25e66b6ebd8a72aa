import type { EncoderConfig, HeadConfig, NamedTensor } from '../../binding.js';
import type { Family } from './families/family.js';
import type { MonoSettings, TrainingConfig } from './model-config.js';
import type { PairEncoding } from './pair-encoding.js';
import type { ScoreActivation } from './sentence-transformers.js';

/**
 * A parsed and checked model folder: everything that the tokenizer and the engine need. Weights stay in their files.
 */
export interface Checkpoint {
  /** The name the caller gave: a folder or a Hugging Face id. */
  name: string;
  folder: string;
  /** Name of the Python model class; lightning-ir writes it into the last column of a run. */
  modelClass: string;
  family: Family;
  encoder: EncoderConfig;
  head: HeadConfig;
  /** lightning-ir's settings with the caller's overrides and defaults applied; undefined for a classification model. */
  mono: MonoSettings | undefined;
  /** Dropout rates and the frozen row of the embeddings. */
  training: TrainingConfig;
  /** Canonical names and checked shapes, see `NamedTensor` in binding.d.ts. */
  tensors: NamedTensor[];
  pairEncoding: PairEncoding;
  /** The activation function on the logit, for display; undefined if the folder names none. */
  activation: ScoreActivation | undefined;
  /** Warnings for the user, one sentence each: a fresh head, ignored tensors. */
  warnings: string[];
}
