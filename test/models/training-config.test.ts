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

test("defaults are ElectraConfig's and BertConfig's", async () => {
  const shared = { hiddenDropout: 0.1, attentionDropout: 0.1, padTokenId: 0 };
  for (const model of ['mono-rank', 'mono-bert']) {
    assert.equal(await training(model, {}), { ...shared, classifierDropout: 0 });
  }
  for (const model of ['electra-classification', 'bert-classification']) {
    assert.equal(await training(model, {}), { ...shared, classifierDropout: 0.1 });
  }
});

test("a classifier's rate is its own, else that of hidden states; null counts as absent", async () => {
  const hidden = { hidden_dropout_prob: 0.3, attention_probs_dropout_prob: 0 };
  const shared = { hiddenDropout: 0.3, attentionDropout: 0, padTokenId: 0 };
  assert.equal(await training('bert-classification', { ...hidden, classifier_dropout: null }), {
    ...shared,
    classifierDropout: 0.3,
  });
  assert.equal(await training('electra-classification', { ...hidden, classifier_dropout: 0.2 }), {
    ...shared,
    classifierDropout: 0.2,
  });
  assert.equal(await training('mono-rank', { ...hidden, classifier_dropout: 0.2 }), {
    ...shared,
    classifierDropout: 0,
  });
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
