import { z } from 'zod';
import { allIgnored, classSpec, ignored, key, onlyDefault, ours, slot } from './fields.js';
import { pathText } from './paths.js';
import { lossFunctions } from './training.js';

/** Arguments of transformers' PretrainedConfig, with its defaults, that lightning-ir passes on; the checkpoint decides them here. */
const PRETRAINED_CONFIG_KEYS = {
  output_hidden_states: false,
  output_attentions: false,
  return_dict: true,
  torchscript: false,
  dtype: null,
  torch_dtype: null,
  pruned_heads: null,
  tie_word_embeddings: true,
  chunk_size_feed_forward: 0,
  is_encoder_decoder: false,
  is_decoder: false,
  cross_attention_hidden_size: null,
  add_cross_attention: false,
  tie_encoder_decoder: false,
  architectures: null,
  finetuning_task: null,
  id2label: null,
  label2id: null,
  num_labels: null,
  task_specific_params: null,
  problem_type: null,
  tokenizer_class: null,
  prefix: null,
  bos_token_id: null,
  pad_token_id: null,
  eos_token_id: null,
  sep_token_id: null,
  decoder_start_token_id: null,
};

const tokens = z.int().min(1).nullable();
const pooling = z.enum(['first', 'mean', 'max', 'sum', 'bert_pool']);
const scoring = z.enum(['rank', 'mono']);
const DOCS = {
  query_length: 'Most tokens of a query, special tokens not counted; null: no limit.',
  doc_length: 'Most tokens of a document, special tokens not counted; null: no limit.',
  pooling_strategy: 'Row of the last layer that is scored, or how its rows are combined.',
  linear_bias: 'Whether the score head has a bias.',
  scoring_strategy: '`rank`: one logit; `mono`: log-probability of the second of two labels.',
};

/** `MonoOverrides` of the API: single fields, where those that are left out come from the model. */
export const monoOptions = z.strictObject({
  query_length: key(tokens.optional(), DOCS.query_length),
  doc_length: key(tokens.optional(), DOCS.doc_length),
  pooling_strategy: key(pooling.optional(), DOCS.pooling_strategy),
  linear_bias: key(z.boolean().optional(), DOCS.linear_bias),
  scoring_strategy: key(scoring.optional(), DOCS.scoring_strategy),
});

const adapterKeys = {
  use_adapter: key(
    z.boolean().default(false),
    'LoRA adapters; not supported, must be false.',
    'used',
    onlyDefault(
      'LoRA adapters are not supported',
      'Merge the adapter into the model (peft: merge_and_unload) and save that.',
      false,
    ),
  ),
  adapter_config: ignored('LoRA adapters; does nothing here.'),
  pretrained_adapter_name_or_path: ignored('LoRA adapters; does nothing here.'),
};

/** MonoConfig of lightning-ir. If it is given at all, its values, defaults included, replace those of the checkpoint. */
const monoConfig = classSpec('MonoConfig', 'How a pair becomes one score. CrossEncoderConfig is the same class.', {
  query_length: key(tokens.default(32), DOCS.query_length),
  doc_length: key(tokens.default(512), DOCS.doc_length),
  pooling_strategy: key(pooling.default('first'), DOCS.pooling_strategy),
  linear_bias: key(z.boolean().default(false), DOCS.linear_bias),
  scoring_strategy: key(scoring.default('rank'), DOCS.scoring_strategy),
  tokenizer_pattern: ignored('lightning-ir 0.0.6 stores it and never reads it; does nothing here either.'),
  ...adapterKeys,
  ...allIgnored(PRETRAINED_CONFIG_KEYS),
});

/**
 * Arguments of from_pretrained: fields of MonoConfig that change scores, as lightning-ir 0.0.6 takes them there, and
 * others that change none. Any other is refused by its name.
 */
const modelKwargs = z.strictObject({
  ...monoOptions.shape,
  pooling_strategy: key(pooling.exclude(['bert_pool']).optional(), DOCS.pooling_strategy),
  ...Object.fromEntries(
    ['dtype', 'torch_dtype'].map((name) => [
      name,
      key(
        z.unknown().optional(),
        'Must be float32.',
        'used',
        onlyDefault('is not supported', 'Set trainer.precision instead.', 'float32'),
      ),
    ]),
  ),
  ...adapterKeys,
  ...allIgnored({ tokenizer_pattern: null, attn_implementation: null, low_cpu_mem_usage: null, use_safetensors: null }),
});

const crossEncoderModule = classSpec('CrossEncoderModule', 'A cross-encoder.', {
  model_name_or_path: key(
    pathText().nullable().default(null),
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
    modelKwargs.nullable().default(null),
    'Single fields of MonoConfig that replace those of the model and of config.',
  ),
  label: ours(
    z
      .union([z.int().min(0), z.string().min(1), z.boolean()])
      .nullable()
      .default(null),
    'Label whose logit is the score, by index or name, for a classification model of several labels.',
  ),
});

export const model = slot([crossEncoderModule], { implicit: 'CrossEncoderModule' });
