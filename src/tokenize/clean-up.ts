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

/** What transformers does to decoded text when `clean_up_tokenization_spaces` is on. */
export function cleanUpTokenization(text: string): string {
  let cleaned = text;
  for (const [from, to] of REPLACEMENTS) cleaned = cleaned.replaceAll(from, to);
  return cleaned;
}
