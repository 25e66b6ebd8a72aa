import { z } from 'zod';
import { allIgnored, classSpec, ignored, key, slot } from './fields.js';
import { lossFunctions } from './training.js';

/** Arguments of transformers' PretrainedConfig that lightning-ir passes on; the checkpoint decides them here. */
const PRETRAINED_CONFIG_KEYS = [
  'output_hidden_states',
  'output_attentions',
  'return_dict',
  'torchscript',
  'dtype',
  'torch_dtype',
  'pruned_heads',
  'tie_word_embeddings',
  'chunk_size_feed_forward',
  'is_encoder_decoder',
  'is_decoder',
  'cross_attention_hidden_size',
  'add_cross_attention',
  'tie_encoder_decoder',
  'architectures',
  'finetuning_task',
  'id2label',
  'label2id',
  'num_labels',
  'task_specific_params',
  'problem_type',
  'tokenizer_class',
  'prefix',
  'bos_token_id',
  'pad_token_id',
  'eos_token_id',
  'sep_token_id',
  'decoder_start_token_id',
] as const;

const length = (doc: string, tokens: number) => key(z.int().min(1).nullable().default(tokens), doc);

/** MonoConfig of lightning-ir. Given at all, its values, defaults included, take the checkpoint's place. */
const monoConfig = classSpec('MonoConfig', 'How a pair becomes one score. CrossEncoderConfig is the same class.', {
  query_length: length('Most tokens of a query, special tokens not counted; null: not cut.', 32),
  doc_length: length('Most tokens of a document, special tokens not counted; null: not cut.', 512),
  pooling_strategy: key(
    z.enum(['first', 'mean', 'max', 'sum', 'bert_pool']).default('first'),
    'Which row, or which mean over rows, is scored.',
  ),
  linear_bias: key(z.boolean().default(false), 'Whether the score head has a bias.'),
  scoring_strategy: key(
    z.enum(['rank', 'mono']).default('rank'),
    '`rank`: one logit; `mono`: log-probability of the second of two labels.',
  ),
  tokenizer_pattern: ignored('lightning-ir 0.0.6 stores it and never reads it; does nothing here either.'),
  use_adapter: key(z.boolean().default(false), 'LoRA adapters; not built, must be false.'),
  adapter_config: ignored('LoRA adapters; does nothing here.'),
  pretrained_adapter_name_or_path: ignored('LoRA adapters; does nothing here.'),
  ...allIgnored(PRETRAINED_CONFIG_KEYS),
});

/** Fields that `model_kwargs` may hold: those of MonoConfig that change scores, as lightning-ir 0.0.6 takes them there. */
export const modelKwargs = z.strictObject({
  query_length: z.int().min(1).nullable().optional(),
  doc_length: z.int().min(1).nullable().optional(),
  pooling_strategy: z.enum(['first', 'mean', 'max', 'sum']).optional(),
  linear_bias: z.boolean().optional(),
  scoring_strategy: z.enum(['rank', 'mono']).optional(),
});

const crossEncoderModule = classSpec('CrossEncoderModule', 'A cross-encoder.', {
  model_name_or_path: key(
    z.string().min(1).nullable().default(null),
    'Folder of a model, or a Hugging Face id in the local hub cache.',
  ),
  config: key(
    slot([monoConfig], { implicit: 'MonoConfig', aliases: { CrossEncoderConfig: 'MonoConfig' } })
      .nullable()
      .default(null),
    'Replaces the settings stored with the model, defaults included.',
  ),
  evaluation_metrics: key(
    z.array(z.string().min(1)).nullable().default(null),
    'Measures of the table after re-ranking, for example nDCG@10; needs qrels.',
  ),
  loss_functions: key(lossFunctions, 'Losses, or [loss, weight] pairs.', 'fit'),
  model: ignored('An object of Python; does nothing here.'),
  BackboneModel: ignored('A class of Python; the checkpoint decides here.'),
  model_kwargs: key(
    z.record(z.string(), z.unknown()).nullable().default(null),
    'Single fields of MonoConfig that replace those of the model and of config. Other arguments of from_pretrained are refused.',
  ),
  label: key(
    z
      .union([z.int().min(0), z.string().min(1), z.boolean()])
      .nullable()
      .default(null),
    'Which label gives the score, by index or name, for a classification model of several labels. Not in lightning-ir.',
  ),
});

export const model = slot([crossEncoderModule], { implicit: 'CrossEncoderModule' });
