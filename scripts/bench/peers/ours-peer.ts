// This package on texts; it packs and sorts by itself, so the batch size is none of its business.
import { readFile } from 'node:fs/promises';
import { CrossEncoder } from '../../../src/engine/cross-encoder.js';
import { engineOptions } from '../device.js';
import { peakGpuMiB } from '../memory-use.js';
import { peerPrecision } from './contenders.js';
import { serve } from './serve.js';

const PRECISIONS = { float32: '32-true', bfloat16: 'bf16-mixed', int8: 'int8' };

await serve(async ({ folder, device, precision, threads }) => {
  const model = await CrossEncoder.load(folder, { ...engineOptions(device, PRECISIONS[precision]), threads });
  if (peerPrecision(model.precision) !== precision)
    throw new Error(`this machine computes ${precision} in ${model.precision}`);
  const manifest = await readFile(new URL('../../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  return { version, score: (pairs) => model.score(pairs), peakGpuMiB: () => peakGpuMiB(device) };
});
