import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { refuses } from '../support/errors.js';
import { changedModel } from '../support/models.js';

const test = suite('what config.json says about training');

const NOTHING_SAID = {
  hidden_dropout_prob: undefined,
  attention_probs_dropout_prob: undefined,
  classifier_dropout: undefined,
  pad_token_id: undefined,
};

const training = async (model: string, config: Record<string, unknown>) =>
  (await loadCheckpoint(changedModel(model, { ...NOTHING_SAID, ...config }))).training;

/** Rates of dropout: of hidden states, of attention's weights, and of a classifier's input and hidden row. */
const rates = (hidden: number, attention: number, headInput: number, headHidden: number) => ({
  embeddings: hidden,
  attentionWeights: attention,
  attentionOutput: hidden,
  layerOutput: hidden,
  headInput,
  headHidden,
});

test("defaults are ElectraConfig's and BertConfig's", async () => {
  for (const [model, input, hidden] of [
    ['mono-rank', 0, 0],
    ['mono-bert', 0, 0],
    ['electra-classification', 0.1, 0.1],
    ['bert-classification', 0, 0.1],
  ] as const) {
    assert.equal(await training(model, {}), { dropout: rates(0.1, 0.1, input, hidden), padTokenId: 0 });
  }
});

test("a classifier's rate is its own, else that of hidden states; null counts as absent", async () => {
  const hidden = { hidden_dropout_prob: 0.3, attention_probs_dropout_prob: 0 };
  for (const [model, rate, expected] of [
    ['bert-classification', null, rates(0.3, 0, 0, 0.3)],
    ['electra-classification', 0.2, rates(0.3, 0, 0.2, 0.2)],
    ['mono-rank', 0.2, rates(0.3, 0, 0, 0)],
  ] as const) {
    assert.equal((await training(model, { ...hidden, classifier_dropout: rate })).dropout, expected);
  }
});

test("the padding token's row: named, none, or counted from the end as torch.nn.Embedding does", async () => {
  const row = async (id: unknown) => (await training('mono-rank', { pad_token_id: id, vocab_size: 159 })).padTokenId;
  assert.is(await row(3), 3);
  assert.is(await row(null), null);
  assert.is(await row(-1), 158);
});

test('rates that are none, and tokens that do not exist', async () => {
  for (const [key, value, message] of [
    ['hidden_dropout_prob', 1, /hidden_dropout_prob: expected a probability from 0 to below 1, found 1/],
    ['attention_probs_dropout_prob', -0.1, /attention_probs_dropout_prob: expected a probability/],
    ['hidden_dropout_prob', '0.1', /hidden_dropout_prob: expected a number/],
    ['pad_token_id', 159, /pad_token_id: expected the id of one of 159 tokens, found 159/],
    ['pad_token_id', 0.5, /pad_token_id/],
  ] as const) {
    await refuses(() => training('mono-rank', { [key]: value }), 'bad_input', message);
  }
});

test.run();
