import { join } from 'node:path';
import type { TensorValues } from '../../src/models/raw-tensor.js';
import { writeSafetensors } from '../../src/models/safetensors.js';
import { writeAtomically } from '../../src/io/atomic-write.js';
import { Random } from './random.js';
import { buildVocabulary, SPECIAL_TOKENS } from './vocabulary.js';

/** Sizes of an ELECTRA encoder. */
export interface ElectraShape {
  embeddingSize: number;
  hiddenSize: number;
  layers: number;
  heads: number;
  intermediateSize: number;
  maxPositions: number;
}

/** google/electra-base-discriminator */
export const ELECTRA_BASE: ElectraShape = {
  embeddingSize: 768,
  hiddenSize: 768,
  layers: 12,
  heads: 12,
  intermediateSize: 3072,
  maxPositions: 512,
};

/** How the tensors are drawn, all from normal distributions, and how much dropout training has. */
export interface ElectraStart {
  /** Standard deviation of the layers' matrices. */
  layerRange: number;
  wordRange: number;
  positionRange: number;
  /** Query and document. */
  segmentRange: number;
  /** Layers, from the first, whose key projection starts as a copy of the query projection. */
  equalKeys: number;
  dropout: number;
}

/** As transformers' ElectraConfig initialises; of fresh score heads too. */
const INITIALIZER_RANGE = 0.02;

export const STANDARD_START: ElectraStart = {
  ...{ layerRange: INITIALIZER_RANGE, wordRange: INITIALIZER_RANGE },
  ...{ positionRange: INITIALIZER_RANGE, segmentRange: INITIALIZER_RANGE },
  equalKeys: 0,
  dropout: 0.1,
};

function configOf(shape: ElectraShape, dropout: number, vocabSize: number): object {
  return {
    architectures: ['ElectraModel'],
    model_type: 'electra',
    vocab_size: vocabSize,
    embedding_size: shape.embeddingSize,
    hidden_size: shape.hiddenSize,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    intermediate_size: shape.intermediateSize,
    max_position_embeddings: shape.maxPositions,
    type_vocab_size: 2,
    hidden_act: 'gelu',
    hidden_dropout_prob: dropout,
    attention_probs_dropout_prob: dropout,
    initializer_range: INITIALIZER_RANGE,
    layer_norm_eps: 1e-12,
    pad_token_id: 0,
    position_embedding_type: 'absolute',
    torch_dtype: 'float32',
  };
}

function tokenizerConfigOf(maxPositions: number): object {
  const [pad, unk, cls, sep, mask] = SPECIAL_TOKENS;
  return {
    tokenizer_class: 'ElectraTokenizer',
    do_lower_case: true,
    do_basic_tokenize: true,
    strip_accents: null,
    tokenize_chinese_chars: true,
    clean_up_tokenization_spaces: true,
    model_max_length: maxPositions,
    ...{ pad_token: pad, unk_token: unk, cls_token: cls, sep_token: sep, mask_token: mask },
  };
}

/** 16 MiB: large enough that the disk and not the calls take the time. */
const PART_VALUES = 4 * 1024 * 1024;

/** A tensor whose values are made while it is written; `fill` sets the next ones, part by part. */
function filled(name: string, shape: readonly number[], fill: (part: Float32Array) => void): TensorValues {
  return {
    name,
    shape,
    *parts() {
      const size = shape.reduce((product, length) => product * length, 1);
      const buffer = new Float32Array(Math.min(size, PART_VALUES));
      for (let left = size; left > 0; left -= buffer.length) {
        const part = buffer.subarray(0, Math.min(left, buffer.length));
        fill(part);
        yield part;
      }
    },
  };
}

/** ElectraModel's tensors: matrices drawn as `start` says, biases 0, LayerNorm weights 1. */
function tensorsOf(shape: ElectraShape, start: ElectraStart, vocabSize: number, random: Random): TensorValues[] {
  const { embeddingSize: embedding, hiddenSize: hidden, intermediateSize: intermediate } = shape;
  const constant = (name: string, size: number, value: number): TensorValues =>
    filled(name, [size], (part) => part.fill(value));
  const matrix = (name: string, rows: number, columns: number, range: number, stream = name): TensorValues => {
    const draw = random.fork(stream);
    return filled(name, [rows, columns], (part) => draw.fillNormal(part, range));
  };
  const linear = (name: string, out: number, input: number, like = name): TensorValues[] => [
    matrix(`${name}.weight`, out, input, start.layerRange, `${like}.weight`),
    constant(`${name}.bias`, out, 0),
  ];
  const norm = (name: string, size: number): TensorValues[] => [
    constant(`${name}.weight`, size, 1),
    constant(`${name}.bias`, size, 0),
  ];
  const layer = (i: number): TensorValues[] => {
    const at = `encoder.layer.${i}`;
    return [
      ...['query', 'key', 'value'].flatMap((name) => {
        const like = name === 'key' && i < start.equalKeys ? 'query' : name;
        return linear(`${at}.attention.self.${name}`, hidden, hidden, `${at}.attention.self.${like}`);
      }),
      ...linear(`${at}.attention.output.dense`, hidden, hidden),
      ...norm(`${at}.attention.output.LayerNorm`, hidden),
      ...linear(`${at}.intermediate.dense`, intermediate, hidden),
      ...linear(`${at}.output.dense`, hidden, intermediate),
      ...norm(`${at}.output.LayerNorm`, hidden),
    ];
  };
  return [
    matrix('embeddings.word_embeddings.weight', vocabSize, embedding, start.wordRange),
    matrix('embeddings.position_embeddings.weight', shape.maxPositions, embedding, start.positionRange),
    matrix('embeddings.token_type_embeddings.weight', 2, embedding, start.segmentRange),
    ...norm('embeddings.LayerNorm', embedding),
    ...(embedding === hidden ? [] : linear('embeddings_project', hidden, embedding)),
    ...Array.from({ length: shape.layers }, (_, i) => layer(i)).flat(),
  ];
}

/**
 * Writes a freshly initialised ELECTRA encoder in the Hugging Face layout: config.json, vocab.txt,
 * tokenizer_config.json and model.safetensors. It has no head: who loads it as a cross-encoder adds a fresh one.
 *
 * @param vocabulary one WordPiece entry per id, the special tokens among them
 */
export async function writeElectraFolder(
  folder: string,
  shape: ElectraShape,
  vocabulary: readonly string[],
  seed: number,
  start: ElectraStart = STANDARD_START,
): Promise<void> {
  const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;
  const files = {
    'vocab.txt': vocabulary.map((entry) => `${entry}\n`).join(''),
    'tokenizer_config.json': json(tokenizerConfigOf(shape.maxPositions)),
    'config.json': json(configOf(shape, start.dropout, vocabulary.length)),
  };
  for (const [name, text] of Object.entries(files)) await writeAtomically(join(folder, name), (write) => write(text));
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    tensorsOf(shape, start, vocabulary.length, new Random(seed)),
  );
}

/** Small enough to be trained in minutes on two cores. */
const TINY_ELECTRA: ElectraShape = {
  embeddingSize: 128,
  hiddenSize: 128,
  layers: 2,
  heads: 2,
  intermediateSize: 512,
  maxPositions: 512,
};

/**
 * A start that spares the model what it would learn first from millions of pairs. In the first layer keys start as copies
 * of queries, with matrices large enough for attention to tell tokens apart (deviation 1 over the root of the width), so
 * a token attends to where it occurs again: that the name of the question stands in the passage shows from the first
 * step on. Small embeddings of positions and segments keep equal words alike wherever they stand. What the words of a
 * question have to do with those of its answers is left to training. The run is too short for dropout.
 */
const TINY_START: ElectraStart = {
  layerRange: 1 / Math.sqrt(TINY_ELECTRA.hiddenSize),
  wordRange: 0.02,
  positionRange: 0.004,
  segmentRange: 0.006,
  equalKeys: 1,
  dropout: 0,
};

/** Enough for the syllables of the invented names; about 2,000 entries with the words. */
const NAME_PIECES = 800;

/** Writes a small ELECTRA encoder, not trained, whose vocabulary is that of the texts. */
export async function writeTinyModel(folder: string, texts: readonly string[], seed: number): Promise<void> {
  await writeElectraFolder(folder, TINY_ELECTRA, buildVocabulary(texts, NAME_PIECES), seed, TINY_START);
}
