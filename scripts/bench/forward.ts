import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { formatTable } from '../../src/report/table.js';
import { gemmPeak, machine, machineLine } from './gemm-peak.js';
import { benchPairs } from './pairs.js';
import { randomElectraBase } from './random-model.js';

const USAGE = `usage: npm run bench -- [forward] [options]

Pairs per second of the packed forward beside the matrix rate (GEMM) of the same machine in the same run.

  --model FOLDER       default: ELECTRA-base with random weights, made once
  --pairs N            default 400
  --precision NAME     may be given several times; default 32-true and bf16-mixed
  --threads N
  --json               one object instead of a table`;

interface Row {
  precision: string;
  pairsPerSecond: number;
  tokensPerSecond: number;
  gflops: number;
  gemmPeakGflops: number;
  ratio: number;
}

async function measure(folder: string, precision: string, pairs: number, threads: number | undefined): Promise<Row> {
  const model = await CrossEncoder.load(folder, { precision, threads, onWarning: () => undefined });
  const texts = await benchPairs(pairs);
  await model.score(texts.slice(0, 50)); // compiles kernels, fills caches
  const before = await gemmPeak(model.precision);
  let tokens = 0;
  let flops = 0;
  const start = performance.now();
  for await (const window of model.scoreWindows(texts)) {
    for (const pair of window.encoded) tokens += pair.inputIds.length;
    flops += window.result.linearFlops;
  }
  const seconds = (performance.now() - start) / 1000;
  const peak = Math.max(before, await gemmPeak(model.precision));
  const row = {
    precision: model.precision,
    pairsPerSecond: texts.length / seconds,
    tokensPerSecond: tokens / seconds,
    gflops: flops / seconds / 1e9,
    gemmPeakGflops: peak,
    ratio: flops / seconds / 1e9 / peak,
  };
  await model.close();
  return row;
}

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'forward'),
  options: {
    model: { type: 'string' },
    pairs: { type: 'string', default: '400' },
    precision: { type: 'string', multiple: true, default: ['32-true', 'bf16-mixed'] },
    threads: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});

if (values.help) {
  console.log(USAGE);
} else {
  const folder = values.model ?? (await randomElectraBase());
  if (!existsSync(folder)) throw new Error(`${folder}: no such folder`);
  const threads = values.threads === undefined ? undefined : Number(values.threads);
  const results: Row[] = [];
  for (const precision of values.precision)
    results.push(await measure(folder, precision, Number(values.pairs), threads));
  if (values.json) {
    console.log(JSON.stringify({ machine: machine(), results }, null, 2));
  } else {
    console.log(machineLine());
    console.log(
      formatTable(
        [
          { head: 'precision' },
          { head: 'pairs/s', digits: 1 },
          { head: 'tokens/s', digits: 0 },
          { head: 'GFLOP/s', digits: 0 },
          { head: 'GEMM peak', digits: 0 },
          { head: 'ratio', digits: 2 },
        ],
        results.map((row) => [
          row.precision,
          row.pairsPerSecond,
          row.tokensPerSecond,
          row.gflops,
          row.gemmPeakGflops,
          row.ratio,
        ]),
      ),
    );
  }
}
