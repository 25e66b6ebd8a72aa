import type { EncoderConfig, HeadConfig, NamedTensor } from '../../binding.js';
import { RankDistillmError } from '../errors.js';
import { familyName, type Family } from './families/family.js';
import { MONO_OUTPUT } from './head.js';
import { floatDtype, formatShape, type RawTensor, type RawTensors } from './raw-tensor.js';

/** Maximum number of names in one warning. */
const NAMES_IN_WARNING = 20;

/** Tensors to ignore: pre-training heads, buffers derived from the config, and an unused pooler. */
const IGNORED = /^(cls\.|pooler\.)|(^|\.)position_ids$/;

/**
 * The name under which a tensor is saved. In transformers' classification models the encoder is a member, so names have
 * its prefix; lightning-ir's models are the encoder, so names have none. Exception: for a BERT with `bert_pool`,
 * transformers 4 mistakes `bert_pool.` for the prefix `bert` and drops all names without it, leaving random weights.
 * With the prefix on every name it loads them, in lightning-ir as in BertModel.
 */
export function savedName(canonical: string, family: Family, { dense, output }: HeadConfig): string {
  const { prefix } = family.tensors;
  const name = familyName(canonical, family);
  const isMono = output.name === MONO_OUTPUT;
  const ofHead = [dense?.name, output.name].some((layer) => layer !== undefined && canonical.startsWith(`${layer}.`));
  const ofMember = !ofHead || name.startsWith('pooler.');
  const isPrefixed = isMono ? dense?.name.startsWith(prefix) === true : ofMember;
  return isPrefixed ? `${prefix}.${name}` : name;
}

/** Every tensor of the model by its canonical name, with its shape. */
export function expectedShapes(encoder: EncoderConfig, head: HeadConfig): Map<string, number[]> {
  return new Map([...encoderShapes(encoder), ...headShapes(encoder, head)]);
}

function encoderShapes(encoder: EncoderConfig): [string, number[]][] {
  const { embeddingSize, hiddenSize: hidden, intermediateSize: intermediate, typeVocabSize } = encoder;
  const shapes: [string, number[]][] = [
    ['embeddings.word_embeddings.weight', [encoder.vocabSize, embeddingSize]],
    ['embeddings.position_embeddings.weight', [encoder.firstPosition + encoder.maxPositions, embeddingSize]],
  ];
  if (typeVocabSize > 0) shapes.push(['embeddings.token_type_embeddings.weight', [typeVocabSize, embeddingSize]]);
  shapes.push(...norm('embeddings.LayerNorm', embeddingSize));
  if (embeddingSize !== hidden) shapes.push(...linear('embeddings_project', hidden, embeddingSize));
  for (let n = 0; n < encoder.layers; n++) {
    const layer = `encoder.layer.${n}`;
    for (const part of ['query', 'key', 'value'])
      shapes.push(...linear(`${layer}.attention.self.${part}`, hidden, hidden));
    shapes.push(
      ...linear(`${layer}.attention.output.dense`, hidden, hidden),
      ...norm(`${layer}.attention.output.LayerNorm`, hidden),
      ...linear(`${layer}.intermediate.dense`, intermediate, hidden),
      ...linear(`${layer}.output.dense`, hidden, intermediate),
      ...norm(`${layer}.output.LayerNorm`, hidden),
    );
  }
  return shapes;
}

/** The output layer comes before the dense one: this order fixes the random values of fresh heads. */
function headShapes({ hiddenSize: hidden }: EncoderConfig, { dense, output }: HeadConfig): [string, number[]][] {
  const outputShapes = linear(output.name, output.labels, hidden).slice(0, output.bias ? 2 : 1);
  const denseShapes = dense ? linear(dense.name, hidden, hidden) : [];
  return output.name === MONO_OUTPUT ? [...outputShapes, ...denseShapes] : [...denseShapes, ...outputShapes];
}

function linear(name: string, outputs: number, inputs: number): [string, number[]][] {
  return [
    [`${name}.weight`, [outputs, inputs]],
    [`${name}.bias`, [outputs]],
  ];
}

function norm(name: string, size: number): [string, number[]][] {
  return [
    [`${name}.weight`, [size]],
    [`${name}.bias`, [size]],
  ];
}

interface MatchInput {
  raw: RawTensors;
  family: Family;
  /** Canonical name of a tensor in the file. */
  nameOf: (name: string) => string;
  expected: ReadonlyMap<string, number[]>;
  mayBeFresh: ReadonlySet<string>;
  folder: string;
  warnings: string[];
}

/**
 * Finds each expected tensor in the file and checks its shape. Absent tensors of `mayBeFresh` are returned as
 * `missing`; other absent tensors and wrong shapes are errors, unused tensors a warning.
 */
export function matchTensors(input: MatchInput): { tensors: NamedTensor[]; missing: Map<string, number[]> } {
  const { expected, folder, family, mayBeFresh } = input;
  const found = byCanonicalName(input);
  const tensors: NamedTensor[] = [];
  const missing = new Map<string, number[]>();
  for (const [name, shape] of expected) {
    const entry = found.get(name);
    if (entry) tensors.push(check(name, shape, entry.fileName, entry.tensor));
    else if (mayBeFresh.has(name)) missing.set(name, shape);
    else throw missingTensor(folder, familyName(name, family), shape);
  }
  return { tensors, missing };
}

function byCanonicalName(input: MatchInput): Map<string, { fileName: string; tensor: RawTensor }> {
  const { ignored } = input.family.tensors;
  const found = new Map<string, { fileName: string; tensor: RawTensor }>();
  const unused: string[] = [];
  for (const [fileName, tensor] of input.raw) {
    const name = input.nameOf(fileName);
    if (!input.expected.has(name)) {
      if (!IGNORED.test(name) && ignored?.test(name) !== true) unused.push(fileName);
      continue;
    }
    const twin = found.get(name);
    if (twin) {
      throw new RankDistillmError(
        'bad_input',
        `${tensor.data.file}: ${twin.fileName} and ${fileName} are the same tensor`,
        {
          hint: 'Save the model again, so that each tensor has one name.',
        },
      );
    }
    found.set(name, { fileName, tensor });
  }
  if (unused.length > 0) {
    const more = unused.length > NAMES_IN_WARNING ? ` and ${unused.length - NAMES_IN_WARNING} more` : '';
    input.warnings.push(
      `${input.folder}: tensors that the model does not use: ${unused.slice(0, NAMES_IN_WARNING).join(', ')}${more}.`,
    );
  }
  return found;
}

function check(name: string, shape: number[], fileName: string, tensor: RawTensor): NamedTensor {
  const place = `${tensor.data.file}: tensor ${fileName}`;
  const hint = 'Check that config.json belongs to these weights.';
  if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
    const sizes = `expected shape ${formatShape(shape)}, found ${formatShape(tensor.shape)}`;
    throw new RankDistillmError('bad_input', `${place}: ${sizes}`, { hint });
  }
  const dtype = floatDtype(tensor.dtype);
  if (!dtype) {
    throw new RankDistillmError('bad_input', `${place}: has ${tensor.dtype} values, not floating point values`, {
      hint: 'Quantized models are not supported; use weights in float32, float16 or bfloat16.',
    });
  }
  return { name, dtype, shape, data: tensor.data };
}

function missingTensor(folder: string, name: string, shape: number[]): RankDistillmError {
  return new RankDistillmError(
    'bad_input',
    `${folder}: tensor ${name} is missing: expected shape ${formatShape(shape)}, found none`,
    { hint: 'Check that config.json belongs to these weights and that no shard is missing.' },
  );
}
