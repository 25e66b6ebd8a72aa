// peers.py for contenders that run on Node.js: ours, onnxruntime-node and transformers.js.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { CrossEncoder } from '../../../src/engine/cross-encoder.js';
import { engineOptions, peakGpuMiB } from '../host.js';
import type { PeerOptions, PeerPair, PeerRequest } from './worker.js';

type Score = (pairs: readonly PeerPair[], batch: number) => Promise<ArrayLike<number>>;
type Feeds = Record<string, object>;
type Tensor = new (type: 'int64', data: BigInt64Array, dims: readonly number[]) => object;

/** What is used of the packages. */
interface OnnxRuntime {
  InferenceSession: { create(file: string, options: object): Promise<{ run(inputs: Feeds): Promise<Outputs> }> };
  Tensor: Tensor;
  env: { versions: { node?: string; common: string } };
}
interface TransformersJs {
  AutoModelForSequenceClassification: {
    from_pretrained(name: string, options: object): Promise<(inputs: Feeds) => Promise<Outputs>>;
  };
  Tensor: Tensor;
  env: { version: string; allowRemoteModels: boolean; localModelPath: string };
}
type Outputs = { logits: { data: Float32Array } };

/** Padded batches of ready token ids; scores in the order of the pairs. */
const inBatches =
  (byLength: boolean, Tensor: Tensor, run: (inputs: Feeds) => Promise<Outputs>): Score =>
  async (pairs, size) => {
    const order = [...pairs.keys()];
    if (byLength) order.sort((a, b) => pairs[b]!.inputIds.length - pairs[a]!.inputIds.length);
    const scores = new Float32Array(pairs.length);
    for (let start = 0; start < order.length; start += size) {
      const places = order.slice(start, start + size);
      const chosen = places.map((i) => pairs[i]!);
      const columns = Math.max(...chosen.map(({ inputIds }) => inputIds.length));
      const filled = (values: (pair: PeerPair) => readonly number[]): object => {
        const all = new BigInt64Array(chosen.length * columns);
        chosen.forEach((pair, row) => values(pair).forEach((value, i) => (all[row * columns + i] = BigInt(value))));
        return new Tensor('int64', all, [chosen.length, columns]);
      };
      const { logits } = await run({
        input_ids: filled(({ inputIds }) => inputIds),
        attention_mask: filled(({ inputIds }) => inputIds.map(() => 1)),
        token_type_ids: filled(({ tokenTypeIds }) => tokenTypeIds),
      });
      places.forEach((place, i) => (scores[place] = logits.data[i]!));
    }
    return scores;
  };

const LOADERS: Readonly<Record<string, (options: PeerOptions) => Promise<{ version: string; score: Score }>>> = {
  /** It packs and sorts by itself, so it takes no batch size. */
  async 'rank-distillm'({ folder, device, precision, threads }) {
    const name = { float32: '32-true', bfloat16: 'bf16-mixed', int8: 'int8' }[precision];
    const model = await CrossEncoder.load(folder, { ...engineOptions(device, name), threads });
    const manifest = await readFile(new URL('../../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(manifest) as { version: string };
    return { version, score: (pairs) => model.score(pairs) };
  },
  async 'onnxruntime-node'({ folder, precision, sorted, threads, packages }) {
    const { InferenceSession, Tensor, env } = load<OnnxRuntime>('onnxruntime-node', packages);
    const file = join(folder, 'onnx', precision === 'int8' ? 'model_quantized.onnx' : 'model.onnx');
    const session = await InferenceSession.create(file, { intraOpNumThreads: threads, interOpNumThreads: 1 });
    const score = inBatches(sorted, Tensor, (inputs) => session.run(inputs));
    return { version: env.versions.node ?? env.versions.common, score };
  },
  /** It runs the same ONNX files through onnxruntime-node. */
  async '@huggingface/transformers'({ folder, precision, sorted, threads, packages }) {
    const library = load<TransformersJs>('@huggingface/transformers', packages);
    const { AutoModelForSequenceClassification, Tensor, env } = library;
    env.allowRemoteModels = false;
    env.localModelPath = dirname(folder);
    const model = await AutoModelForSequenceClassification.from_pretrained(basename(folder), {
      device: 'cpu',
      dtype: precision === 'int8' ? 'q8' : 'fp32',
      session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
    });
    return { version: env.version, score: inBatches(sorted, Tensor, model) };
  },
};

function load<T>(name: string, packages: string | undefined): T {
  return createRequire(join(packages!, 'x'))(name) as T;
}

const options = JSON.parse(process.argv[2]!) as PeerOptions;
const pairs = JSON.parse(await readFile(options.pairs, 'utf8')) as PeerPair[];
const answer = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const { version, score } = await LOADERS[options.library]!(options);
answer({ version });
for await (const line of createInterface({ input: process.stdin })) {
  const { count, batch } = JSON.parse(line) as PeerRequest;
  const start = performance.now();
  const scores = await score(pairs.slice(0, count), batch);
  const seconds = (performance.now() - start) / 1000;
  answer({ seconds, scores: Array.from(scores), peakGpuMiB: peakGpuMiB(options.device) });
}
process.exit(); // libraries keep threads that nobody ends
