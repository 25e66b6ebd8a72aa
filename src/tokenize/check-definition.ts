import { z } from 'zod';
import { RankDistillmError } from '../errors.js';
import { charsmapFault } from './precompiled-charsmap.js';
import { isRecord, type AddedTokenEntry, type TokenizerDefinition } from './tokenizer-files.js';

// The tokenizers library (0.23) is native and panics, which aborts the process, where a tokenizer.json does not hold
// what it assumes, at times only for some texts. These checks state its assumptions, and bound the time and memory that
// a text can take: docs/tokens.md lists them.

/** XLM-RoBERTa has 250,002 tokens. */
const MOST_TOKENS = 2 ** 20;
/** Tokens matched in raw text; published encoders have up to 1,000. */
const MOST_ADDED_TOKENS = 2 ** 14;
/** UTF-8 bytes a UTF-16 unit, at most. */
const BYTES_PER_UNIT = 3;
/** Of a Unigram model's token: the library recurses through its bytes, and tries all prefixes at each character. */
const LONGEST_TOKEN = 128;
/** UTF-8 bytes of a Unigram model's tokens, which take up to 350 bytes of memory each. XLM-RoBERTa has 2.8 million. */
const MOST_UNIGRAM_BYTES = 2 ** 22;
/** Time per word grows with its square. BERT has 100. */
const MOST_CHARS_PER_WORD = 256;
/** Steps of a normalizer, pre-tokenizer, post-processor or decoder; published ones have up to 8. */
const MOST_STEPS = 32;
/**
 * How many times longer the replacements of a normalizer may make a text; published ones 3. The library takes about 160
 * bytes of memory for each byte of the result.
 */
const MOST_GROWTH = 4;
/** Pieces of a template. */
const MOST_PIECES = 64;

const id = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
const text = z.string().max(1000);
const nonEmpty = text.min(1, { error: 'is empty' });
const flag = z.boolean();
const character = z.string().refine((value) => [...value].length === 1, { error: 'is not one character' });
const orNull = <T extends z.ZodType>(schema: T) => schema.nullable().optional();

/** Expressions of published tokenizers; matching them takes time linear in the text. */
const KNOWN_EXPRESSIONS = new Set([
  String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
]);
/** One character or class, repeated at least once: linear, and never empty. */
const SIMPLE_EXPRESSION =
  /^(?:[^\\.+*?()|[\]{}^$]|\\[sSdDwWnrt]|\\[pP]\{\w+\}|\[\^?(?:[\w .,:;!?'"@#%&=<>~`/]|\\[sSdDwWnrt]|\\[pP]\{\w+\})+\])(?:\+|\{[1-9]\d?(?:,(?:\d{1,3})?)?\})?$/u;
const expression = text.refine((value) => KNOWN_EXPRESSIONS.has(value) || SIMPLE_EXPRESSION.test(value), {
  error: 'only simple regular expressions are supported: others may take forever',
});
// an empty match would corrupt the library's offsets
const pattern = z.union([z.strictObject({ String: nonEmpty }), z.strictObject({ Regex: expression })], {
  error: 'is not a pattern that is supported: {"String": …}, or {"Regex": …} with a simple expression',
});
const kind = <T extends string, S extends z.ZodRawShape>(type: T, shape: S) =>
  z.object({ type: z.literal(type), ...shape });
/** A list of such steps. */
const steps = (element: () => z.ZodType) => z.array(z.lazy(element)).max(MOST_STEPS);

const byteLevel = kind('ByteLevel', { add_prefix_space: flag, trim_offsets: flag, use_regex: flag.optional() });
const metaspace = kind('Metaspace', {
  replacement: character,
  add_prefix_space: orNull(flag),
  prepend_scheme: z.enum(['first', 'never', 'always']).optional(),
  split: orNull(flag),
});
const replace = kind('Replace', { pattern, content: text });

const normalizer: z.ZodType = z.discriminatedUnion('type', [
  kind('BertNormalizer', {
    clean_text: flag,
    handle_chinese_chars: flag,
    strip_accents: orNull(flag),
    lowercase: flag,
  }),
  kind('Strip', { strip_left: flag, strip_right: flag }),
  z.object({ type: z.enum(['StripAccents', 'NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'Nmt', 'ByteLevel']) }),
  kind('Prepend', { prepend: nonEmpty }), // an empty one corrupts the library's offsets
  replace,
  kind('Precompiled', {
    precompiled_charsmap: z.string().superRefine((value, context) => {
      const fault = charsmapFault(value);
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
    }),
  }),
  kind('Sequence', { normalizers: steps(() => normalizer) }),
]);

const behavior = z.enum(['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']);
const preTokenizer: z.ZodType = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['BertPreTokenizer', 'Whitespace', 'WhitespaceSplit', 'UnicodeScripts']) }),
  byteLevel,
  metaspace,
  kind('CharDelimiterSplit', { delimiter: character }),
  kind('Punctuation', { behavior: behavior.optional() }),
  kind('Digits', { individual_digits: flag }),
  kind('Split', { pattern, behavior, invert: flag }),
  kind('FixedLength', { length: z.int().min(1).max(1000) }),
  kind('Sequence', { pretokenizers: steps(() => preTokenizer) }),
]);

/** Types are stored as bytes. */
const typeId = z.int().min(0).max(255);
const piece = z.union(
  [
    z.strictObject({ Sequence: z.strictObject({ id: z.enum(['A', 'B']), type_id: typeId }) }),
    z.strictObject({ SpecialToken: z.strictObject({ id: text, type_id: typeId }) }),
  ],
  { error: 'is not a piece of a template' },
);
const pieces = z.array(piece).max(MOST_PIECES);
const specialToken = z.object({ id: text, ids: z.array(id).max(MOST_PIECES), tokens: z.array(text).max(MOST_PIECES) });
const named = z.tuple([text, id]);
const postProcessor: z.ZodType = z.discriminatedUnion('type', [
  kind('BertProcessing', { sep: named, cls: named }),
  kind('RobertaProcessing', { sep: named, cls: named, trim_offsets: flag, add_prefix_space: flag }),
  byteLevel,
  kind('TemplateProcessing', {
    single: pieces,
    pair: pieces,
    special_tokens: z.record(z.string(), specialToken),
  }).superRefine(({ single, pair, special_tokens: tokens }, context) => {
    const fault = templateFault(single, pair, tokens);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  }),
  kind('Sequence', { processors: steps(() => postProcessor) }),
]);

function templateFault(
  single: z.output<typeof pieces>,
  pair: z.output<typeof pieces>,
  tokens: Record<string, z.output<typeof specialToken>>,
): string | undefined {
  const has = (list: typeof single, side: 'A' | 'B') => list.some((it) => 'Sequence' in it && it.Sequence.id === side);
  if (!has(single, 'A') || has(single, 'B')) return 'single: is not a template of one text';
  if (!has(pair, 'A') || !has(pair, 'B')) return 'pair: is not a template of two texts';
  for (const it of [...single, ...pair]) {
    if ('SpecialToken' in it && !Object.hasOwn(tokens, it.SpecialToken.id)) {
      return `special_tokens: does not define ${JSON.stringify(it.SpecialToken.id)}, which the template names`;
    }
  }
  const uneven = Object.entries(tokens).find(([, { ids, tokens: names }]) => ids.length !== names.length);
  return uneven && `special_tokens: ${JSON.stringify(uneven[0])} has not as many ids as tokens`;
}

const decoder: z.ZodType = z.discriminatedUnion('type', [
  kind('WordPiece', { prefix: text, cleanup: flag }),
  byteLevel,
  metaspace,
  replace,
  kind('BPEDecoder', { suffix: text }),
  kind('CTC', { pad_token: text, word_delimiter_token: text, cleanup: flag }),
  kind('Fuse', {}),
  kind('ByteFallback', {}),
  kind('Strip', {
    content: character,
    start: z.int().min(0).max(1000),
    // the library cuts a token of nothing but `content` from both ends, past each other
    stop: z.literal(0, { error: 'only 0 is supported' }),
  }),
  kind('Sequence', { decoders: steps(() => decoder) }),
]);

const addedToken = z.object({
  content: text,
  single_word: flag,
  lstrip: flag,
  rstrip: flag,
  normalized: flag,
  special: flag,
});
const addedTokens = z.array(addedToken.extend({ id })).max(MOST_ADDED_TOKENS);

const MODEL_KEYS: Readonly<Record<string, z.ZodType<Record<string, unknown>>>> = {
  WordPiece: z.object({
    unk_token: text,
    continuing_subword_prefix: text,
    max_input_chars_per_word: z.int().min(0).max(MOST_CHARS_PER_WORD),
  }),
  WordLevel: z.object({ unk_token: text }),
  BPE: z.object({
    dropout: orNull(z.literal(0, { error: 'tokens would be random; only null is supported' })),
    unk_token: orNull(text),
    continuing_subword_prefix: orNull(text),
    end_of_word_suffix: orNull(text),
    fuse_unk: orNull(flag),
    byte_fallback: orNull(flag),
    ignore_merges: orNull(flag),
  }),
  Unigram: z.object({ unk_id: orNull(id), byte_fallback: flag.optional() }),
};

const MODELS = Object.keys(MODEL_KEYS);

/** A definition that the library can load and use on any text. */
export interface CheckedDefinition {
  definition: TokenizerDefinition;
  /** Whether it has parts that no published model of our families has. */
  unusual: boolean;
}

/**
 * Checks the content of a tokenizer.json, and leaves out keys that the library does not read.
 *
 * @throws RankDistillmError `unsupported` for another kind of model; `bad_input`
 */
export function checkDefinition(given: object, file: string): CheckedDefinition {
  const check = new DefinitionChecker(file);
  const own = (key: string) =>
    (Object.hasOwn(given, key) ? (given as Record<string, unknown>)[key] : undefined) ?? null;
  if (own('version') !== null && own('version') !== '1.0') throw check.fault('version', 'is not "1.0"');
  const part = (key: string, schema: z.ZodType) => (own(key) === null ? null : check.parse(key, schema, own(key)));
  const model = check.model(own('model'));
  const definition = {
    version: '1.0',
    truncation: isRecord(own('truncation')) ? own('truncation') : null,
    padding: null,
    added_tokens: part('added_tokens', addedTokens) ?? [],
    normalizer: part('normalizer', normalizer),
    pre_tokenizer: part('pre_tokenizer', preTokenizer),
    post_processor: part('post_processor', postProcessor),
    decoder: part('decoder', decoder),
    model,
  } as unknown as TokenizerDefinition;
  return { definition, unusual: check.steps(definition) };
}

/** Checks tokens from other files, which are added to a definition. */
export function checkAddedTokens(tokens: readonly AddedTokenEntry[], file: string): void {
  new DefinitionChecker(file).parse('added tokens', z.array(addedToken).max(MOST_ADDED_TOKENS), tokens);
}

/** Steps that published models of our families have. */
const USUAL = new Set([
  ...['BertNormalizer', 'Strip', 'StripAccents', 'NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'Nmt', 'Precompiled'],
  ...[
    'Replace',
    'BertPreTokenizer',
    'Whitespace',
    'WhitespaceSplit',
    'ByteLevel',
    'Metaspace',
    'Punctuation',
    'Digits',
  ],
  ...['BertProcessing', 'RobertaProcessing', 'TemplateProcessing', 'WordPiece', 'BPEDecoder', 'Fuse', 'ByteFallback'],
]);

interface Step {
  type: string;
  pattern?: { String?: string };
  content?: string;
}

class DefinitionChecker {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  fault(place: string, what: string): RankDistillmError {
    return unusable(this.#file, `${place}: ${what}`);
  }

  parse<T>(place: string, schema: z.ZodType<T>, value: unknown): T {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const issue = result.error.issues[0]!;
    const path = [place, ...issue.path.map(String)].join('.');
    if (issue.code === 'invalid_union' && issue.path.at(-1) === 'type') throw this.fault(path, 'is not a known type');
    throw this.fault(path, issue.message);
  }

  /** Checks what no single step shows; returns whether some are unusual. */
  steps({ normalizer, pre_tokenizer, post_processor, decoder }: TokenizerDefinition): boolean {
    const lists = {
      normalizer: stepsOf(normalizer),
      pre_tokenizer: stepsOf(pre_tokenizer),
      post_processor: stepsOf(post_processor),
      decoder: stepsOf(decoder),
    };
    for (const [place, list] of Object.entries(lists)) {
      if (list.length > MOST_STEPS) throw this.fault(place, `has more than ${MOST_STEPS} steps`);
      for (const once of ['ByteLevel', 'Precompiled']) {
        // each makes a text longer
        if (list.filter(({ type }) => type === once).length > 1) throw this.fault(place, `has two steps ${once}`);
      }
      if (growth(list) > MOST_GROWTH) throw this.fault(place, 'makes texts too long');
    }
    if (lists.post_processor.slice(0, -1).some(({ type }) => type !== 'ByteLevel')) {
      throw this.fault('post_processor', 'only ByteLevel may come before the last step');
    }
    return Object.values(lists).some((list) => list.some(({ type }) => !USUAL.has(type)));
  }

  model(given: unknown): Record<string, unknown> {
    const type = isRecord(given) ? modelType(given) : undefined;
    if (type === undefined || !MODELS.includes(type)) {
      const shown = typeof type === 'string' ? type.slice(0, 100) : 'missing';
      throw new RankDistillmError('unsupported', `${this.#file}: model type ${shown} is not supported`, {
        hint: `Supported: ${MODELS.join(', ')}. Check that the file is a tokenizer.json of Hugging Face's tokenizers.`,
      });
    }
    const keys = this.parse('model', MODEL_KEYS[type]!, given);
    const { vocab, merges } = given as Record<string, unknown>;
    if (type === 'Unigram') return { type, ...keys, vocab: this.#unigram(vocab, keys['unk_id']) };
    // the library checks that ids are numbers, and SideTokenizer that the model has them
    if (!isRecord(vocab)) throw this.fault('model.vocab', 'is not an object');
    if (type !== 'BPE') return { type, ...keys, vocab };
    return { type, ...keys, vocab, merges: this.#merges(merges, vocab, keys['continuing_subword_prefix']) };
  }

  /**
   * Whether the library's buffer, as long as the longest token, holds each merged token. It checks itself that the
   * vocabulary has the parts and the whole.
   */
  #merges(merges: unknown, vocab: Record<string, unknown>, prefix: unknown): unknown[] {
    if (!Array.isArray(merges)) throw this.fault('model.merges', 'is not a list');
    if (merges.length > MOST_TOKENS) throw this.fault('model.merges', `has more than ${MOST_TOKENS} merges`);
    const start = typeof prefix === 'string' ? prefix : '';
    const longest = longestBytes(Object.keys(vocab)) + Buffer.byteLength(start);
    for (let i = 0; i < merges.length; i++) {
      const merge = merges[i] as unknown;
      const [first, second] = partsOf(merge);
      if (first === undefined || second === undefined) throw this.fault(`model.merges.${i}`, 'is not a pair of tokens');
      if (!second.startsWith(start)) throw this.fault(`model.merges.${i}`, 'has a second part without the prefix');
      if (BYTES_PER_UNIT * (first.length + second.length) <= longest) continue;
      if (Buffer.byteLength(first) + Buffer.byteLength(second) > longest) {
        throw this.fault(`model.merges.${i}`, 'gives a token that is not in the vocabulary');
      }
    }
    return merges;
  }

  #unigram(vocab: unknown, unknown: unknown): unknown[] {
    if (!Array.isArray(vocab)) throw this.fault('model.vocab', 'is not a list');
    if (vocab.length > MOST_TOKENS) throw this.fault('model.vocab', `has more than ${MOST_TOKENS} tokens`);
    if (typeof unknown === 'number' && unknown >= vocab.length) {
      throw this.fault('model.unk_id', 'is not in the vocabulary');
    }
    let total = 0;
    for (let i = 0; i < vocab.length; i++) {
      const entry = vocab[i] as unknown;
      if (!Array.isArray(entry) || typeof entry[0] !== 'string' || !Number.isFinite(entry[1]) || entry.length > 2) {
        throw this.fault(`model.vocab.${i}`, 'is not a token with its score');
      }
      total += Buffer.byteLength(entry[0]);
      if (entry[0].length > LONGEST_TOKEN) {
        throw this.fault(`model.vocab.${i}`, `has more than ${LONGEST_TOKEN} characters`);
      }
    }
    if (total > MOST_UNIGRAM_BYTES) throw this.fault('model.vocab', `has more than ${MOST_UNIGRAM_BYTES} bytes`);
    return vocab;
  }
}

/** In UTF-8. */
function longestBytes(tokens: readonly string[]): number {
  let longest = 0;
  for (const token of tokens) {
    if (BYTES_PER_UNIT * token.length > longest) longest = Math.max(longest, Buffer.byteLength(token));
  }
  return longest;
}

/** The two parts of a merge: a pair, or a text with a space in between. The library skips lines `#version`. */
function partsOf(merge: unknown): [first?: string, second?: string] {
  if (Array.isArray(merge)) {
    return merge.length === 2 && merge.every((part) => typeof part === 'string') ? (merge as [string, string]) : [];
  }
  if (typeof merge !== 'string') return [];
  const space = merge.indexOf(' ');
  return space < 0 ? [] : [merge.slice(0, space), merge.slice(space + 1)];
}

/** The error for a definition that the library refuses, or would not survive. */
export function unusable(file: string, why: string, cause?: unknown): RankDistillmError {
  return new RankDistillmError('bad_input', `${file}: not a usable tokenizer: ${why}`, {
    hint: 'The file is damaged or from a newer version of tokenizers; download it again, or save it with transformers 4.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Files of 2020 omit the type of WordPiece, for example bert-base-uncased's. */
function modelType(model: Record<string, unknown>): string | undefined {
  const type = Object.hasOwn(model, 'type') ? model['type'] : undefined;
  if (type === undefined && isRecord(model['vocab']) && model['max_input_chars_per_word']) return 'WordPiece';
  return typeof type === 'string' ? type : undefined;
}

/** A step, or the steps of a sequence of any depth. */
function stepsOf(given: unknown): Step[] {
  if (given === null || given === undefined) return [];
  const step = given as Step & Record<string, unknown>;
  if (step.type !== 'Sequence') return [step];
  const list = step['normalizers'] ?? step['pretokenizers'] ?? step['processors'] ?? step['decoders'];
  return (list as unknown[]).flatMap(stepsOf);
}

/** How many times longer the replacements of these steps can make a text. */
function growth(list: readonly Step[]): number {
  return list.reduce((product, { type, pattern, content }) => {
    if (type !== 'Replace') return product;
    const replaced = Buffer.byteLength(pattern?.String ?? '.');
    return product * Math.max(1, Buffer.byteLength(content ?? '') / replaced);
  }, 1);
}
