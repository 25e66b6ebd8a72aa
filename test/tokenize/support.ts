import type { EncoderConfig } from '../../binding.js';

/** An encoder's shape, of which the tokenizer looks at two numbers. */
export function encoderOf(given: { vocabSize: number; maxPositions: number }): EncoderConfig {
  return {
    ...given,
    embeddingSize: 32,
    hiddenSize: 32,
    layers: 1,
    heads: 2,
    intermediateSize: 64,
    typeVocabSize: 2,
    layerNormEps: 1e-12,
    activation: 'gelu',
  };
}
