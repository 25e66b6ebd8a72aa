import type { Normalizer } from 'tokenizers';
import { isPlainBert, type LoadedTokenizer } from './load-tokenizer.js';

const UNKNOWN = 0;
const KEEPS = 1;
const CHANGES = 2;

/**
 * lightning-ir decodes truncated ids to text and encodes that text again. With BERT's tokenizer this rarely changes the
 * ids; `changes` detects the texts for which it may, so that only those are decoded and encoded. docs/tokens.md proves
 * that no other text can change.
 */
export class RoundTrip {
  readonly #tokenizer: LoadedTokenizer;
  /** False for tokenizers that are not plain BERT: every text is decoded and encoded. */
  readonly #plain: boolean;
  /** One state per id, filled when an id is first seen. */
  readonly #stability: Uint8Array;
  readonly #letterN: number;
  readonly #apostrophe: number;
  readonly #normalizer: Normalizer | null;

  constructor(tokenizer: LoadedTokenizer, vocabSize: number) {
    this.#tokenizer = tokenizer;
    this.#plain = isPlainBert(tokenizer);
    this.#stability = new Uint8Array(vocabSize);
    this.#letterN = tokenizer.native.tokenToId('n') ?? -1;
    this.#apostrophe = tokenizer.native.tokenToId("'") ?? -1;
    this.#normalizer = tokenizer.native.getNormalizer();
  }

  /** True if `run` may return other ids; false guarantees that it does not. */
  changes(ids: Int32Array): boolean {
    if (!this.#plain) return true;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as number;
      if (this.#stability[id] !== KEEPS && !this.#isStable(id)) return true;
      if (id === this.#apostrophe && this.#joinsNot(ids, i)) return true;
    }
    return false;
  }

  /** Decodes, cleans up and encodes again, as lightning-ir does, for many texts at once. */
  async run(batch: Int32Array[]): Promise<Int32Array[]> {
    const { native, cleanUp } = this.#tokenizer;
    const decoded = await native.decodeBatch(
      batch.map((ids) => Array.from(ids)),
      false,
    );
    const texts = cleanUp ? decoded.map(cleanUpTokenization) : decoded;
    const encodings = await native.encodeBatch(texts, { addSpecialTokens: false });
    return encodings.map((encoding) => new Int32Array(encoding.getIds()));
  }

  /** The clean-up rewrites `X n ' t…` to `Xn't…`: the n then belongs to the word before it. */
  #joinsNot(ids: Int32Array, apostropheAt: number): boolean {
    if (!this.#tokenizer.cleanUp || apostropheAt < 2 || ids[apostropheAt - 1] !== this.#letterN) return false;
    const next = ids[apostropheAt + 1];
    return next !== undefined && this.#tokenizer.native.idToToken(next)?.startsWith('t') === true;
  }

  #isStable(id: number): boolean {
    if (this.#stability[id] === UNKNOWN) this.#stability[id] = this.#normalizesToItself(id) ? KEEPS : CHANGES;
    return this.#stability[id] === KEEPS;
  }

  #normalizesToItself(id: number): boolean {
    const token = this.#tokenizer.native.idToToken(id);
    if (token === null) return false;
    if (this.#tokenizer.addedTokens.some((added) => added.content === token)) return true;
    const surface = token.startsWith('##') ? token.slice(2) : token;
    const { strip_accents, lowercase } = this.#tokenizer.definition.normalizer ?? {};
    // accents are stripped after NFD, which may reorder the remaining marks
    if ((strip_accents ?? lowercase) && /\p{M}/u.test(surface)) return false;
    return this.#normalizer?.normalizeString(surface).replace(/^ +| +$/g, '') === surface;
  }
}

/**
 * In this order, each over the whole string: transformers 4.57 `PreTrainedTokenizerBase.clean_up_tokenization`. The
 * decoder of `tokenizers` cleans token by token and so does not see the rules that span several tokens.
 */
const REPLACEMENTS: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

/** transformers' clean-up of decoded text when `clean_up_tokenization_spaces` is on. */
function cleanUpTokenization(text: string): string {
  let cleaned = text;
  for (const [from, to] of REPLACEMENTS) cleaned = cleaned.replaceAll(from, to);
  return cleaned;
}
