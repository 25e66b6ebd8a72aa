import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadTokenizer, type LoadedTokenizer } from '../../src/tokenize/load-tokenizer.js';
import { RoundTrip } from '../../src/tokenize/round-trip.js';
import { sharedPath } from '../support/shared.js';
import { nastyTexts } from './nasty-texts.js';
import { LIGHTNING_IR } from '../support/models.js';

const CUTS = [7, 32, 64, 256];
const BATCH = 128;

interface Outcome {
  /** Texts and cuts that were sent the long way. */
  long: number;
  /** Texts whose ids the long way really changed. */
  changed: number;
  /** Short way promised no change, long way changed: must stay empty. */
  broken: string[];
}

/** Takes every text both ways at every cut. */
async function holdAgainstEachOther(tokenizer: LoadedTokenizer, texts: string[]): Promise<Outcome> {
  const roundTrip = new RoundTrip(tokenizer, tokenizer.native.getVocabSize(true));
  const outcome: Outcome = { long: 0, changed: 0, broken: [] };
  for (let at = 0; at < texts.length; at += BATCH) {
    const batch = texts.slice(at, at + BATCH);
    const encodings = await tokenizer.native.encodeBatch(batch, { addSpecialTokens: false });
    const whole = encodings.map((encoding) => new Int32Array(encoding.getIds()));
    for (const cut of CUTS) {
      // a cut that removes nothing gives the ids of the next larger cut again
      const tried = batch
        .map((text, i) => ({ text, ids: whole[i]! }))
        .filter(({ ids }) => ids.length > cut || cut === 256);
      const ids = tried.map((one) => one.ids.subarray(0, cut));
      const returned = await roundTrip.run(ids);
      for (const [i, before] of ids.entries()) {
        const after = returned[i]!;
        const same = before.length === after.length && before.every((id, k) => id === after[k]);
        if (roundTrip.changes(before)) outcome.long += 1;
        else if (!same) outcome.broken.push(`${JSON.stringify(tried[i]!.text)} cut at ${cut}`);
        if (!same) outcome.changed += 1;
      }
    }
  }
  return outcome;
}

const test = suite('short and long way');
const folder = sharedPath('golden/tiny-monoelectra');
const collections = ['data/trec-dl-2020/collection.tsv', 'data/trec-dl-2021/collection.tsv'].map(sharedPath);
const queries = ['data/trec-dl-2020/queries.tsv', 'data/trec-dl-2021/queries.tsv'].map(sharedPath);

if (folder !== undefined) {
  test('agree on made-up nasty texts, and the long way is taken where they differ', async () => {
    const tokenizer = await loadTokenizer(folder, LIGHTNING_IR);
    const outcome = await holdAgainstEachOther(tokenizer, nastyTexts(20_000));
    assert.equal(outcome.broken, []);
    assert.ok(outcome.changed > 100, `only ${outcome.changed} texts changed: the made-up texts are not nasty enough`);
  });

  test('agree on nasty texts without clean-up, where only unstable characters need the long way', async () => {
    const tokenizer = { ...(await loadTokenizer(folder, LIGHTNING_IR)), cleanUp: false };
    const outcome = await holdAgainstEachOther(tokenizer, nastyTexts(5_000));
    assert.equal(outcome.broken, []);
  });

  if ([...collections, ...queries].every((path) => path !== undefined)) {
    test('agree on all TREC passages and queries', async () => {
      const tokenizer = await loadTokenizer(folder, LIGHTNING_IR);
      const texts = [...collections, ...queries].flatMap((path) =>
        readFileSync(path!, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => line.slice(line.indexOf('\t') + 1)),
      );
      assert.ok(texts.length > 24_000);
      const outcome = await holdAgainstEachOther(tokenizer, texts);
      console.log(`${texts.length} texts: ${outcome.long} the long way, ${outcome.changed} changed by it`);
      assert.equal(outcome.broken, []);
      assert.ok(outcome.long < texts.length / 50, `${outcome.long} texts went the long way`);
    });
  }
}

test.run();
