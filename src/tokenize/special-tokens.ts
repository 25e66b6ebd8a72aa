import { isRecord, type AddedTokenEntry, type TokenizerFiles } from './tokenizer-files.js';

/** In transformers' order, which determines the ids of tokens that are not in the vocabulary. */
const ROLES = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'] as const;
type Role = (typeof ROLES)[number];

/** Default tokens of a transformers tokenizer class: a string, or an object that also says how it is matched. */
export type SpecialTokenDefaults = Readonly<Partial<Record<Role, unknown>>>;

export const BERT_TOKENS: SpecialTokenDefaults = {
  unk: '[UNK]',
  sep: '[SEP]',
  pad: '[PAD]',
  cls: '[CLS]',
  mask: '[MASK]',
};

/** Defaults of RoBERTa and XLM-RoBERTa. */
export const ROBERTA_TOKENS: SpecialTokenDefaults = {
  bos: '<s>',
  eos: '</s>',
  unk: '<unk>',
  sep: '</s>',
  pad: '<pad>',
  cls: '<s>',
  // matches together with the space before it
  mask: { content: '<mask>', lstrip: true },
};

export interface SpecialTokens {
  content: Partial<Record<Role, string>>;
  /** Tokens to add to the tokenizer, in this order; it ignores those it has. */
  toAdd: AddedTokenEntry[];
}

/**
 * The special tokens of a model, from tokenizer_config.json, else special_tokens_map.json and added_tokens.json
 * (transformers 4.57: `_from_pretrained` and `PreTrainedTokenizerFast.__init__`).
 *
 * @param known the tokens declared in tokenizer.json
 */
export function resolveSpecialTokens(
  files: TokenizerFiles,
  known: AddedTokenEntry[],
  defaults: SpecialTokenDefaults,
): SpecialTokens {
  const settings: Record<string, unknown> = { ...files.config };
  const declared: AddedTokenEntry[] = [];
  if (isRecord(files.config['added_tokens_decoder'])) {
    // integer keys of an object iterate in ascending order: the order transformers adds them in
    for (const token of Object.values(files.config['added_tokens_decoder'])) {
      const entry = tokenEntry(token, isRecord(token) && token['special'] === true);
      if (entry !== undefined) declared.push(entry);
    }
  } else {
    // older models: the map takes precedence over tokenizer_config.json
    Object.assign(settings, files.specialTokensMap);
    const named = new Set(specialValues(settings, defaults).map((value) => tokenEntry(value, true)?.content));
    for (const [content] of sortedById(files.addedTokens)) {
      const entry = tokenEntry(content, named.has(content));
      if (entry !== undefined) declared.push(entry);
    }
  }

  const byContent = new Map([...known, ...declared].map((entry) => [entry.content, entry]));
  const toAdd = [...declared];
  for (const value of specialValues(settings, defaults)) {
    const entry = tokenEntry(value, true);
    if (entry === undefined || byContent.has(entry.content)) continue;
    byContent.set(entry.content, entry);
    toAdd.push(entry);
  }
  const content: SpecialTokens['content'] = {};
  for (const role of ROLES) {
    const entry = tokenEntry(roleValue(settings, role, defaults), true);
    if (entry !== undefined) content[role] = entry.content;
  }
  return { content, toAdd };
}

function roleValue(settings: Record<string, unknown>, role: Role, defaults: SpecialTokenDefaults): unknown {
  const value = settings[`${role}_token`];
  return value === undefined ? defaults[role] : value;
}

function specialValues(settings: Record<string, unknown>, defaults: SpecialTokenDefaults): unknown[] {
  const named = ROLES.map((role) => roleValue(settings, role, defaults));
  // not push(...list): a file may list more than a call takes arguments
  const lists = [settings['additional_special_tokens'], settings['extra_special_tokens']].map((list) =>
    Array.isArray(list) ? (list as unknown[]) : isRecord(list) ? Object.values(list) : [],
  );
  return [...named, ...lists.flat(1)];
}

function sortedById(tokens: Record<string, unknown> | undefined): [string, unknown][] {
  return Object.entries(tokens ?? {}).sort((a, b) => Number(a[1]) - Number(b[1]));
}

/** A token is a string, or an object with the string and how it is matched. */
function tokenEntry(value: unknown, special: boolean): AddedTokenEntry | undefined {
  const fields = typeof value === 'string' ? { content: value } : value;
  if (!isRecord(fields) || typeof fields['content'] !== 'string') return undefined;
  const flag = (key: string, otherwise: boolean) => (typeof fields[key] === 'boolean' ? fields[key] : otherwise);
  return {
    content: fields['content'],
    special,
    normalized: flag('normalized', !special),
    single_word: flag('single_word', false),
    lstrip: flag('lstrip', false),
    rstrip: flag('rstrip', false),
  };
}
