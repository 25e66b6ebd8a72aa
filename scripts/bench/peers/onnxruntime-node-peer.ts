// onnxruntime-node on ready token ids; the files are make_models.py's.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { scoreInBatches } from './batches.js';
import { serve } from './serve.js';

const FILES = { float32: 'model.onnx', bfloat16: undefined, int8: 'model_quantized.onnx' };

/** What is used of the package. */
interface OnnxRuntime {
  InferenceSession: { create(file: string, options: object): Promise<Session> };
  Tensor: new (type: 'int64', data: BigInt64Array, dims: readonly number[]) => object;
  env: { versions: { node?: string; common: string } };
}
interface Session {
  run(inputs: Record<string, object>): Promise<{ logits: { data: Float32Array } }>;
}

await serve(async ({ folder, precision, sorted, threads, packages }) => {
  const { InferenceSession, Tensor, env } = createRequire(join(packages!, 'x'))('onnxruntime-node') as OnnxRuntime;
  const file = join(folder, 'onnx', FILES[precision]!);
  const session = await InferenceSession.create(file, { intraOpNumThreads: threads, interOpNumThreads: 1 });
  return {
    version: env.versions.node ?? env.versions.common,
    score: (pairs, size) =>
      scoreInBatches(pairs, size, sorted, async ({ rows, columns, inputs }) => {
        const feeds = Object.entries(inputs).map(([name, data]) => [name, new Tensor('int64', data, [rows, columns])]);
        return (await session.run(Object.fromEntries(feeds) as Record<string, object>)).logits.data;
      }),
  };
});
