import { BERT } from './bert.js';
import type { Family } from './family.js';

/** RoBERTa (Liu et al. 2019): BERT with fairseq's position numbering and another head. */
export const ROBERTA: Family = {
  ...BERT,
  name: 'roberta',
  className: 'Roberta',
  defaults: { ...BERT.defaults, bos_token_id: 0, eos_token_id: 2, pad_token_id: 1, vocab_size: 50265 },
  positionsAfterPadding: true,
  classifier: {
    dense: { name: 'classifier.dense', activation: 'tanh' },
    output: 'classifier.out_proj',
    dropsInput: true,
  },
  tensors: { ...BERT.tensors, prefix: 'roberta', ignored: /^lm_head\./ },
  tokenizer: { className: 'RobertaTokenizerFast', tokenTypes: false },
};

/** XLM-RoBERTa (Conneau et al. 2020): RoBERTa with a vocabulary for a hundred languages, such as bge-reranker. */
export const XLM_ROBERTA: Family = {
  ...ROBERTA,
  name: 'xlm-roberta',
  className: 'XLMRoberta',
  defaults: { ...ROBERTA.defaults, vocab_size: 30522 },
  tokenizer: { className: 'XLMRobertaTokenizerFast', tokenTypes: false },
};
