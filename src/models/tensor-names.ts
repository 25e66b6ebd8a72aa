import type { EncoderConfig, HeadConfig } from '../../binding.js';
import type { Family } from './model-config.js';

/** Heads and tables of pre-training, and buffers that follow from the config. */
const IGNORED = [/^discriminator_predictions\./, /^generator_/, /^cls\./, /(^|\.)position_ids$/];

/**
 * The engine's name of a tensor (binding.d.ts) for the name in the file: without the backbone's prefix, and with the
 * names that LayerNorm's parameters have had since the first BERT files were converted from TensorFlow.
 */
export function canonicalName(name: string): string {
  return name
    .replace(/^(electra|bert)\./, '')
    .replace(/(^|\.)LayerNorm\.gamma$/, '$1LayerNorm.weight')
    .replace(/(^|\.)LayerNorm\.beta$/, '$1LayerNorm.bias');
}

/**
 * The name under which a tensor is saved. transformers' classification models have the backbone as a member, and
 * lightning-ir's models are the backbone, so that theirs has no prefix. One exception: a BERT with `bert_pool`, of whose
 * files transformers 4 takes `bert_pool.` for the prefix `bert`, drops all names without that prefix and starts from
 * random numbers. With the prefix everywhere it loads them, in lightning-ir as in BertModel.
 */
export function savedName(canonical: string, family: Family, head: HeadConfig): string {
  const isPrefixed =
    head.kind === 'mono' ? family === 'bert' && head.pooling === 'bert_pool' : !canonical.startsWith('classifier.');
  return isPrefixed ? `${family}.${canonical}` : canonical;
}

/** True for tensors that no cross-encoder needs and nobody wonders about; `pooler.*` is one where the head uses none. */
export function isIgnored(canonical: string): boolean {
  return IGNORED.some((pattern) => pattern.test(canonical)) || canonical.startsWith('pooler.');
}

/** Every tensor of the model by its canonical name, with its shape. */
export function expectedShapes(encoder: EncoderConfig, head: HeadConfig): Map<string, number[]> {
  return new Map([...encoderShapes(encoder), ...headShapes(encoder, head)]);
}

function encoderShapes(encoder: EncoderConfig): [string, number[]][] {
  const { embeddingSize, hiddenSize: hidden, intermediateSize: intermediate } = encoder;
  const shapes: [string, number[]][] = [
    ['embeddings.word_embeddings.weight', [encoder.vocabSize, embeddingSize]],
    ['embeddings.position_embeddings.weight', [encoder.maxPositions, embeddingSize]],
    ['embeddings.token_type_embeddings.weight', [encoder.typeVocabSize, embeddingSize]],
    ['embeddings.LayerNorm.weight', [embeddingSize]],
    ['embeddings.LayerNorm.bias', [embeddingSize]],
  ];
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

function headShapes({ hiddenSize }: EncoderConfig, head: HeadConfig): [string, number[]][] {
  switch (head.kind) {
    case 'mono': {
      const labels = head.scoring === 'mono' ? 2 : 1;
      return [
        ['linear.weight', [labels, hiddenSize]],
        ...(head.bias ? [['linear.bias', [labels]] as [string, number[]]] : []),
        ...(head.pooling === 'bert_pool' ? linear('bert_pool.0', hiddenSize, hiddenSize) : []),
      ];
    }
    case 'electra_classification':
      return [
        ...linear('classifier.dense', hiddenSize, hiddenSize),
        ...linear('classifier.out_proj', head.labels, hiddenSize),
      ];
    case 'bert_classification':
      return [...linear('pooler.dense', hiddenSize, hiddenSize), ...linear('classifier', head.labels, hiddenSize)];
  }
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
