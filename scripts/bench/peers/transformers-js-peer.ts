// @huggingface/transformers (transformers.js) on ready token ids; it runs the same ONNX files through onnxruntime-node.
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { scoreInBatches } from './batches.js';
import { serve } from './serve.js';

const DTYPES = { float32: 'fp32', bfloat16: undefined, int8: 'q8' };

/** What is used of the package. */
interface TransformersJs {
  AutoModelForSequenceClassification: { from_pretrained(name: string, options: object): Promise<Model> };
  Tensor: new (type: 'int64', data: BigInt64Array, dims: readonly number[]) => object;
  env: { version: string; allowRemoteModels: boolean; localModelPath: string };
}
type Model = (inputs: Record<string, object>) => Promise<{ logits: { data: Float32Array } }>;

await serve(async ({ folder, precision, sorted, threads, packages }) => {
  const library = createRequire(join(packages!, 'x'))('@huggingface/transformers') as TransformersJs;
  const { AutoModelForSequenceClassification, Tensor, env } = library;
  env.allowRemoteModels = false;
  env.localModelPath = dirname(folder);
  const model = await AutoModelForSequenceClassification.from_pretrained(basename(folder), {
    device: 'cpu',
    dtype: DTYPES[precision],
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
  return {
    version: env.version,
    score: (pairs, size) =>
      scoreInBatches(pairs, size, sorted, async ({ rows, columns, inputs }) => {
        const feeds = Object.entries(inputs).map(([name, data]) => [name, new Tensor('int64', data, [rows, columns])]);
        return (await model(Object.fromEntries(feeds) as Record<string, object>)).logits.data;
      }),
  };
});
