import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { createLoss } from '../../src/loss/create-loss.js';
import { cachedPass } from '../../src/train/gradient-cache.js';
import { sharedPath } from '../support/shared.js';
import { TOLERANCES, norm } from '../support/tolerances.js';

/** What ../shared/golden/make_golden.py writes: one AdamW run of lightning-ir in float32 without dropout. */
interface GoldenRun {
  loss: string;
  init_args: Record<string, unknown>;
  lr: number;
  weight_decay: number;
  betas: [number, number];
  eps: number;
  targets: number[][];
  gradients_step_1: Record<string, { norm: number; sum: number; first: number[] }>;
  trace: { loss: number; scores: number[][] }[];
}

interface GoldenTraining {
  queries: Record<string, string>;
  docs: Record<string, string[]>;
  runs: GoldenRun[];
}

const test = suite('golden training');
const BOUNDS = TOLERANCES.auto.float32;
const path = sharedPath('golden/training.json');
const model = sharedPath('golden/tiny-monoelectra');

/**
 * Scores are compared up to one number for all pairs of a step: the losses do not see it, so the gradient of the last
 * LayerNorm's bias is rounding noise, of which AdamW's first step takes the sign (± lr for each of 64 values).
 */

/** Gradients that are zero in exact arithmetic: softmax does not see a constant added to all keys. */
const ROUNDING_NOISE = /key\.bias$|encoder\.layer\.2\.output\.LayerNorm\.bias$/;

async function trace(golden: GoldenTraining, run: GoldenRun, tokenBudget: number) {
  await using trained = await TrainableModel.load(model!, { dropout: false });
  const { native } = trained;
  const queries = Object.keys(golden.queries);
  const texts = queries.flatMap((id) => golden.docs[id]!.map((document) => ({ query: golden.queries[id]!, document })));
  const pairs = await trained.tokenizer.encodePairs(texts);
  const docs = run.targets[0]!.length;
  const targets = { queries: queries.length, docs, values: Float64Array.from(run.targets.flat()) };
  const loss = createLoss(run.loss, run.init_args);
  const values: number[] = [];
  const scores: Float32Array[] = [];
  const gradients = new Map<string, Float32Array>();
  for (let step = 0; step < run.trace.length; step++) {
    const pass = await cachedPass(
      native,
      pairs,
      (found) => {
        const result = loss.compute({ ...targets, values: Float64Array.from(found) }, targets);
        values.push(result.value);
        return Float32Array.from(result.gradient);
      },
      { step, budget: { tokens: tokenBudget, partTokens: native.tokensPerPart } },
    );
    scores.push(pass.scores);
    if (step === 0) {
      for (const { name, shape, offset } of native.parameters) {
        gradients.set(
          name,
          await native.read(
            'gradients',
            offset,
            shape.reduce((a, b) => a * b),
          ),
        );
      }
    }
    await native.step({
      learningRate: run.lr,
      beta1: run.betas[0],
      beta2: run.betas[1],
      eps: run.eps,
      weightDecay: run.weight_decay,
      step: step + 1,
      scale: 1,
      clipValue: 0,
    });
  }
  return { values, scores, gradients };
}

if (path && model) {
  const golden = JSON.parse(readFileSync(path, 'utf8')) as GoldenTraining;
  for (const run of golden.runs) {
    for (const tokenBudget of [1_000_000, 700]) {
      test(`${run.loss}, ${tokenBudget} tokens at a time: gradients of step 1 and ten AdamW steps`, async () => {
        const { values, scores, gradients } = await trace(golden, run, tokenBudget);
        let compared = 0;
        for (const [fileName, expected] of Object.entries(run.gradients_step_1)) {
          const name = fileName.replace(/^electra\./, '');
          const gradient = gradients.get(name);
          assert.ok(gradient, `${name} has a gradient`);
          const length = norm(gradient);
          if (ROUNDING_NOISE.test(name)) {
            assert.ok(length < BOUNDS.noise, `${name}: ${length} is rounding noise`);
            continue;
          }
          compared += 1;
          const bound = BOUNDS.gradient * expected.norm;
          const sum = gradient.reduce((total, value) => total + value, 0);
          assert.ok(Math.abs(length - expected.norm) <= bound, `${name}: norm ${length}, expected ${expected.norm}`);
          assert.ok(
            Math.abs(sum - expected.sum) <= bound + BOUNDS.sumRounding * expected.norm,
            `${name}: sum ${sum}, expected ${expected.sum}`,
          );
          expected.first.forEach((value, i) =>
            assert.ok(Math.abs(gradient[i]! - value) <= bound, `${name}[${i}]: ${gradient[i]}, expected ${value}`),
          );
        }
        assert.is(compared, 52);
        run.trace.forEach((expected, step) => {
          assert.ok(
            Math.abs(values[step]! - expected.loss) <= BOUNDS.loss * Math.abs(expected.loss),
            `loss of step ${step}`,
          );
          const differences = expected.scores.flat().map((score, i) => scores[step]![i]! - score);
          const shift = differences.reduce((sum, difference) => sum + difference, 0) / differences.length;
          differences.forEach((difference, i) =>
            assert.ok(
              Math.abs(difference - shift) <= BOUNDS.scoreAfterSteps,
              `step ${step}, pair ${i}: off by ${difference - shift}`,
            ),
          );
        });
      });
    }
  }
}

test.run();
