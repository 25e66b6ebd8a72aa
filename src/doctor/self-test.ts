import { join } from 'node:path';
import type { EncoderConfig, HeadConfig, NamedTensor } from '../../binding.js';
import { packagePath, RankDistillmError } from '../errors.js';
import { chooseArithmetic, describe, nativeArithmetic } from '../engine/arithmetic.js';
import { scoreWindows } from '../engine/score-windows.js';
import { bindingOf, loadBinding } from '../io/load-binding.js';
import { MAX_JSON_BYTES } from '../models/json-file.js';
import type { PairEncoding } from '../models/pair-encoding.js';
import { expectedShapes } from '../models/tensors.js';
import { enginePrecision, type PrecisionName } from '../config/precision.js';
import { readRegularFile } from '../io/regular-file.js';
import { createPairTokenizer, type PairTokenizer } from '../tokenize/pair-tokenizer.js';
import type { PrecisionReport } from './report.js';

/** What scripts/references/self_test.py wrote: pairs, and what lightning-ir makes of them. */
interface Golden {
  source: string;
  encoder: EncoderConfig;
  head: HeadConfig;
  pairEncoding: PairEncoding;
  pairs: { query: string; document: string; input_ids: number[]; token_type_ids: number[]; score: number }[];
}

/**
 * Most that a score may differ from the reference, whose scores are spread over 1.7. float32 differs by the order of
 * its sums; the others round what they multiply. Scores of a wrong kernel have nothing to do with the reference's.
 */
const TOLERANCE = { float32: 1e-4, int16: 2e-3, bfloat16: 0.08, int8: 0.25 } as const;

/** Sizes of ELECTRA-base's attention matrices, with rows for a few milliseconds of each thread. */
const ROWS_OF_THREAD = 64;
const WIDTH = 768;
const REPEATS = 3;

export class SelfTest {
  readonly #golden: Golden;
  readonly #tensors: NamedTensor[];
  readonly #tokenizer: PairTokenizer;

  private constructor(golden: Golden, tokenizer: PairTokenizer) {
    this.#golden = golden;
    this.#tokenizer = tokenizer;
    this.#tensors = [...expectedShapes(golden.encoder, golden.head)].map(([name, shape]) => ({
      name,
      dtype: 'float32',
      shape,
      data: new Uint8Array(valuesOf(name, shape).buffer),
    }));
  }

  /** @throws RankDistillmError `native` if the tokenizer gives other ids than the reference */
  static async load(): Promise<SelfTest> {
    const folder = packagePath('configs/self-test');
    const text = await readRegularFile(join(folder, 'golden.json'), { bytes: MAX_JSON_BYTES });
    const golden = JSON.parse(text.toString('utf8')) as Golden;
    const { encoder, pairEncoding, pairs } = golden;
    const tokenizer = await createPairTokenizer({ folder, encoder, pairEncoding });
    const encoded = await tokenizer.encodePairs(pairs);
    const shown = (ids: ArrayLike<number>): string => Array.from(ids).join(' ');
    const wrong = pairs.findIndex(
      ({ input_ids, token_type_ids }, i) =>
        shown(encoded[i]!.inputIds) !== shown(input_ids) || shown(encoded[i]!.tokenTypeIds) !== shown(token_type_ids),
    );
    if (wrong < 0) return new SelfTest(golden, tokenizer);
    throw new RankDistillmError(
      'native',
      `the tokenizer gives pair ${wrong} of ${folder}/golden.json other ids than ${golden.source}`,
      { hint: 'Reinstall the package: its files do not belong together.' },
    );
  }

  get pairs(): number {
    return this.#golden.pairs.length;
  }

  /** What the scores are compared with. */
  get source(): string {
    return this.#golden.source;
  }

  /** Scores the golden pairs in a precision, and measures the rate of its products. */
  async run(asked: PrecisionName, device: string): Promise<PrecisionReport> {
    const { encoder, head, pairs } = this.#golden;
    const binding = bindingOf(device);
    // the number of threads belongs to the process: leave it as it is
    const { threads } = binding.info();
    const use = { device, asked: enginePrecision(asked), encoder, work: 'scoring' } as const;
    const choice = await chooseArithmetic(binding, use);
    const options = { encoder, head, ...nativeArithmetic(choice), threads, device };
    const model = await binding.createModel(options, this.#tensors);
    try {
      const cancel = binding.createCancelToken();
      let largest = 0;
      let at = 0;
      for await (const { scores } of scoreWindows(pairs, { model, tokenizer: this.#tokenizer, cancel })) {
        for (const score of scores) {
          const off = Math.abs(score - pairs[at++]!.score);
          largest = off <= largest ? largest : off; // NaN stays
        }
      }
      const shape = { m: ROWS_OF_THREAD * threads, n: WIDTH, k: WIDTH };
      // int16 is finer than what may be around it
      const around = choice.attention === 'bfloat16' || choice.between === 'bfloat16' ? TOLERANCE.bfloat16 : 0;
      return {
        asked,
        device,
        runs: model.precision,
        arithmetic: describe(choice),
        why: choice.why,
        gflops: device === 'cpu' ? await loadBinding().gemmRate(shape, model.precision, REPEATS) : undefined,
        largestError: largest,
        isRight: largest <= Math.max(TOLERANCE[model.precision], around),
      };
    } finally {
      await model.close();
    }
  }

  close(): Promise<void> {
    return this.#tokenizer.close();
  }
}

/**
 * Weights that follow from a tensor's name, so that the package need not hold them: the FNV-1a hash of the name seeds a linear
 * congruential generator (Numerical Recipes' constants), whose numbers are in [-0.25, 0.25); LayerNorm's weights are around 1.
 */
function valuesOf(name: string, shape: readonly number[]): Float32Array {
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(name)) state = Math.imul(state ^ byte, 0x01000193);
  const centre = name.endsWith('LayerNorm.weight') ? 1 : 0;
  return Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => {
    state = Math.imul(state, 1664525) + 1013904223;
    return centre + ((state >>> 8) / 2 ** 24 - 0.5) / 2;
  });
}
