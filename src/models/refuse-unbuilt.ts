import { RankDistillmError } from '../errors.js';
import { FAMILY_NAMES } from './families/registry.js';
import type { JsonReader } from './json-file.js';

const SUPPORTED =
  `Supported are cross-encoders of the families ${FAMILY_NAMES.join(', ')}: ` +
  'lightning-ir mono models and sequence classification models.';

const APART =
  'it encodes query and document separately; this package needs a cross-encoder, which encodes them together';

/** Unsupported model types by kind. Matched against model_type and backbone_model_type. */
const SET_ENCODERS = ['set-encoder'];
const BI_ENCODERS = ['bi-encoder', 'dpr', 'col', 'splade', 'coil', 'unicoil', 'mvr', 'xtr', 'tite'];
const DECODERS =
  /^(gpt|llama|mistral|mixtral|qwen|gemma|phi|opt$|bloom|falcon|mpt|olmo|starcoder|codegen|granite|cohere|deepseek|stablelm|minicpm|ctrl$|rwkv|mamba)/;
const ENCODER_DECODERS = ['bart', 'mbart', 'pegasus', 'marian', 'led', 'encoder-decoder', 'longt5'];

/** Throws for models that this package deliberately does not support. Unknown types pass. */
export function refuseUnbuilt(config: JsonReader): void {
  const types = [config.raw('model_type'), config.raw('backbone_model_type')].filter(
    (type) => typeof type === 'string',
  );
  const architectures = architecturesOf(config);
  const refuse = (what: string, hint = SUPPORTED) => {
    throw new RankDistillmError('unsupported', `${config.path}: ${what}`, { hint });
  };
  if (
    types.some((type) => SET_ENCODERS.includes(type)) ||
    architectures.some((name) => name.startsWith('SetEncoder'))
  ) {
    refuse('set-encoder models are not supported: they score the documents of a topic together, not pair by pair');
  }
  if (types.some((type) => /^(m|u|by)?t5/.test(type)) || architectures.some((name) => /T5/.test(name))) {
    refuse('T5 models (monoT5, RankT5) are not supported');
  }
  if (config.raw('use_adapter') === true) refuseAdapter(config.path, 'use_adapter');
  for (const key of ['adapter_config', 'pretrained_adapter_name_or_path']) {
    if (config.raw(key) !== undefined) refuseAdapter(config.path, key);
  }
  const isDecoder = config.raw('is_decoder') === true || architectures.some((name) => name.endsWith('ForCausalLM'));
  const generates = ENCODER_DECODERS.some((type) => types.includes(type)) || config.raw('is_encoder_decoder') === true;
  if (isDecoder || types.some((type) => DECODERS.test(type))) refuse('decoder models are not supported');
  if (generates) refuse('encoder-decoder models are not supported');
  const biEncoder = types.find((type) => BI_ENCODERS.includes(type));
  if (biEncoder !== undefined) refuse(`is a bi-encoder (${biEncoder}): ${APART}`);
}

/** Throws for an adapter without its base model (LoRA). */
export function refuseAdapter(path: string, key?: string): never {
  throw new RankDistillmError(
    'unsupported',
    `${path}: ${key ? `${key}: ` : ''}models with adapters (LoRA) are not supported`,
    {
      hint: 'Merge the adapter into the model first: PeftModel.merge_and_unload(), then save_pretrained.',
    },
  );
}

/** Throws for an encoder family that is not supported yet. */
export function refuseFamily(config: JsonReader, family: string): never {
  throw new RankDistillmError('unsupported', `${config.path}: models of the family ${family} are not supported yet`, {
    hint: SUPPORTED,
  });
}

export function architecturesOf(config: JsonReader): string[] {
  const value = config.raw('architectures');
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw config.error('architectures', 'expected a list of class names');
}
