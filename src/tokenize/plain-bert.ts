import type { LoadedTokenizer } from './load-tokenizer.js';

/**
 * True for BERT's own normalizer, splitter and WordPiece with added tokens that only match themselves (`[SEP]`). For
 * these the short cuts of this folder are exact (docs/tokens.md): words are tokenized one by one, so that a text cut
 * between two words has the beginning of the whole text's tokens, and a word's pieces spell the word.
 */
export function isPlainBert({ definition, addedTokens, truncationSide }: LoadedTokenizer): boolean {
  const { normalizer, pre_tokenizer, decoder, model } = definition;
  return (
    truncationSide === 'right' &&
    normalizer?.type === 'BertNormalizer' &&
    normalizer.clean_text === true &&
    pre_tokenizer?.type === 'BertPreTokenizer' &&
    decoder?.type === 'WordPiece' &&
    decoder.prefix === '##' &&
    model.type === 'WordPiece' &&
    model.continuing_subword_prefix === '##' &&
    addedTokens.some((token) => token.content === model.unk_token) &&
    addedTokens.every(
      (token) =>
        token.special &&
        !token.normalized &&
        !token.single_word &&
        !token.lstrip &&
        !token.rstrip &&
        /^\[\w+\]$/.test(token.content),
    )
  );
}
