import { fileURLToPath } from 'node:url';
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
    firstPosition: 0,
    typeVocabSize: 2,
    layerNormEps: 1e-12,
    activation: 'gelu',
  };
}

/** One of the golden folders as a lightning-ir model, whose texts take the round trip. */
export function checkpointOf(name: string, vocabSize = 300) {
  return {
    folder: fileURLToPath(new URL(`golden/${name}`, import.meta.url)),
    encoder: encoderOf({ vocabSize, maxPositions: 64 }),
    pairEncoding: { kind: 'lightning-ir' as const, queryLength: 16, docLength: 40, maxLength: 64 },
  };
}
